"""Builds the extension modules, and for a wheel the viewer's scripts: a hatchling build hook.

`python ext/build.py` builds the modules in place. There, and in an editable install, the scripts are their sources.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
VIEWER = Path("pytest_timeline", "viewer")
MODULES = {f"pytest_timeline._{source}": source for source in ("recorder", "codec", "relay", "reading")}
if sys.platform == "win32":
    FLAGS = ["/O2", "/std:c11", "/experimental:c11atomics"]
    LINK_FLAGS = []
else:
    FLAGS = ["-O3", "-g0", "-std=gnu11"]  # without -g0 each module is 4 MB instead of half a one
    LINK_FLAGS = ["-pthread"]  # pthread_atfork is in no shared library of glibc


def build(target: Path) -> list[Path]:
    """Compile every module into `target`/pytest_timeline and return the files made."""
    from Cython.Build import cythonize
    from setuptools import Distribution, Extension

    headers = [str(p.relative_to(ROOT)) for p in sorted((ROOT / "ext").iterdir()) if p.suffix in {".h", ".pxd", ".pxi"}]
    extensions = [
        Extension(
            name,
            [f"ext/{source}.pyx"],
            include_dirs=["ext"],
            depends=headers,
            extra_compile_args=FLAGS,
            extra_link_args=LINK_FLAGS,
        )
        for name, source in MODULES.items()
    ]
    previous = Path.cwd()
    os.chdir(ROOT)  # Cython writes the paths that it is given into the module
    try:
        with tempfile.TemporaryDirectory() as scratch:
            modules = cythonize(
                extensions, build_dir=scratch, nthreads=0, quiet=True, include_path=["ext"], language_level=3
            )
            for module in modules:
                module.include_dirs = [str(ROOT / "ext")]
            command = Distribution({"ext_modules": modules}).get_command_obj("build_ext")
            command.build_lib = str(target)
            command.build_temp = scratch
            command.parallel = len(MODULES)
            command.force = True
            command.ensure_finalized()
            command.run()
            return [Path(file) for file in command.get_outputs()]
    finally:
        os.chdir(previous)


def minify(target: Path) -> list[Path]:
    """Write every script of the viewer into `target`, without what only its readers need, and return the files made."""
    from rjsmin import jsmin

    made = []
    for source in sorted((ROOT / VIEWER).glob("*.js")):
        script = jsmin(source.read_text(encoding="utf-8"), keep_bang_comments=True)
        made.append(target / source.name)
        made[-1].write_text(script, encoding="utf-8", newline="\n")
    return made


try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run as a script in an environment without hatchling
    pass
else:

    class TimelineBuildHook(BuildHookInterface):  # type: ignore[type-arg]
        """Adds compiled modules and minified scripts to a wheel; builds modules in place for an editable install."""

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:
            build_data["infer_tag"] = True
            build_data["pure_python"] = False
            if version == "editable":
                build(ROOT)
                return
            self._scratch = tempfile.TemporaryDirectory()
            scratch = Path(self._scratch.name)
            for file in build(scratch):
                build_data["force_include"][str(file)] = f"pytest_timeline/{file.name}"
            for file in minify(scratch):  # in place of their sources
                build_data["force_include"][str(file)] = (VIEWER / file.name).as_posix()

        def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
            if version != "editable":
                self._scratch.cleanup()


if __name__ == "__main__":
    for made in build(ROOT):
        print(made)
