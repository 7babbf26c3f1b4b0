"""The benchmarks: `python tests/benchmarks call_cost suites`, or `--all`. They write docs/performance.md.

Run it with the interpreter of an environment in which pytest-timeline is installed with its extra `bench`.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import sys
from pathlib import Path

import report

FIGURES = (
    "call_cost",
    "hot",
    "suites",
    "empty",
    "children",
    "loops",
    "keeping_up",
    "growth",
    "codec",
    "memory",
    "viewer",
    "run_page",
)
sys.path.append(str(Path(__file__).resolve().parents[1]))  # for `support`


def main() -> None:
    """Measure the figures that the command line names, one after another."""
    figures = {name: importlib.import_module(name) for name in FIGURES}
    parser = argparse.ArgumentParser(prog="python tests/benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help=", ".join(figures))
    parser.add_argument("--all", action="store_true", help="measure every figure")
    parser.add_argument("--rounds", type=int, default=5, help="how often each variant runs (default 5)")
    parser.add_argument(
        "--peers", action="store_true", help="run the real suites under VizTracer and trace0 too, which is slow"
    )
    parser.add_argument("--tests", type=int, default=10_000, help="number of empty tests (default 10,000)")
    options = parser.parse_args()
    chosen = list(figures) if options.all else options.figures
    if not chosen or set(chosen) - figures.keys():
        parser.error(f"name some of {', '.join(figures)}, or say --all")
    measures = {
        "suites": functools.partial(figures["suites"].measure, peers=options.peers),
        "empty": functools.partial(figures["empty"].measure, tests=options.tests),
    }
    for name in chosen:
        module = figures[name]
        print(f"{module.TITLE}", flush=True)
        rows = measures.get(name, module.measure)(options.rounds)
        for row in rows:
            print(f"  {row.what:50} {report.cell(row.as_dict())}", flush=True)
        report.save(name, module.TITLE, module.NOTE, rows)


if __name__ == "__main__":
    main()
