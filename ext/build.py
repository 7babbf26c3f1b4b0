"""Builds the extension modules: a hatchling build hook, and `python ext/build.py` for a build in place."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
MODULES = {f"pytest_timeline._{source}": source for source in ("recorder", "codec", "relay")}
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


try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run as a script in an environment without hatchling
    pass
else:

    class TimelineBuildHook(BuildHookInterface):  # type: ignore[type-arg]
        """Adds the compiled modules to a wheel; builds them in place for an editable install."""

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:
            build_data["infer_tag"] = True
            build_data["pure_python"] = False
            if version == "editable":
                build(ROOT)
                return
            self._scratch = tempfile.TemporaryDirectory()
            for file in build(Path(self._scratch.name)):
                build_data["force_include"][str(file)] = f"pytest_timeline/{file.name}"

        def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
            if version != "editable":
                self._scratch.cleanup()


if __name__ == "__main__":
    for made in build(ROOT):
        print(made)
