"""Leaves a spool of about a million slices of ordinary code in the directory argv[1], for codec.py."""

import argparse
import ast
import inspect
import os
import sys
import tarfile
import typing

from pytest_timeline import _recorder

directory = sys.argv[1]
trees = [ast.parse(inspect.getsource(module)) for module in (argparse, inspect, tarfile, typing)]
_recorder.start(directory, clock=_recorder.choose_clock(), c_calls="none", full=True)
_recorder.mark(_recorder.MARKS["TEST_BEGIN"], b'{"nodeid": "codec", "rerun": 0, "file": "", "line": 0}')
for tree in trees * 3:
    ast.unparse(tree)
_recorder.mark(_recorder.MARKS["TEST_END"], b'{"outcome": "passed", "phases": {}}')
os._exit(0)  # the last record is the test's end
