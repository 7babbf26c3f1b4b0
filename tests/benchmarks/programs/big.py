"""Ordinary code in four threads, as much of it as UNITS says, for viewer.py."""

import argparse
import ast
import difflib
import inspect
import io
import json
import os
import random
import string
import tarfile
import textwrap
import threading
import tokenize
import typing

SOURCES = [inspect.getsource(module) for module in (argparse, difflib, inspect, string, tarfile, textwrap, typing)]


def lines(draw: random.Random) -> str:
    """Return a function or a class out of the sources, or a good part of one."""
    source = draw.choice(SOURCES)
    nodes = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    return ast.get_source_segment(source, draw.choice(nodes)) or ""


def work(seed: int, units: int) -> None:
    draw = random.Random(seed)
    for _ in range(units):
        text = lines(draw)
        kind = draw.randrange(4)
        if kind == 0:
            ast.unparse(ast.parse(text))
        elif kind == 1:
            list(tokenize.generate_tokens(io.StringIO(text).readline))
        elif kind == 2:
            json.dumps({word: text.count(word) for word in text.split()}, indent=1)
        else:
            list(difflib.ndiff(text.splitlines()[:40], lines(draw).splitlines()[:40]))


def test_big() -> None:
    units = int(os.environ["UNITS"])
    threads = [threading.Thread(target=work, args=(seed, units), name=f"worker-{seed}") for seed in range(1, 4)]
    for thread in threads:
        thread.start()
    work(0, units)
    for thread in threads:
        thread.join()
