"""A test suite that starts Python in every way there is. Each test is one row: the child works under the test's name.

A child that may be recorded but need not leaves its pid in NAME.pid all the same.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import multiprocessing
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from child import work, work_twice

PYTHON = sys.executable
PLACE = os.environ["PLACE"] = os.path.dirname(os.path.abspath(__file__))
IMPORT = "import child; child.main()"
SCRIPT = f"import sys; sys.path.insert(0, {PLACE!r}); {IMPORT}"
posix = pytest.mark.skipif(sys.platform == "win32", reason="not on Windows")


@pytest.fixture
def row(request: pytest.FixtureRequest) -> str:
    """Return the name of the child's function: the test's, with nothing in it that Python would not take."""
    return "by_" + "".join(c if c.isalnum() else "_" for c in request.node.name.removeprefix("test_")).strip("_")


def said(row: str) -> str:
    return f"{[row, 'two words']}\n"


def check(row: str, argv: list[str] | str, **how) -> None:
    """Run a program that runs child.py: it says what it should, to the right place, and has its exit code."""
    done = subprocess.run(argv, capture_output=True, text=True, **how)
    assert (done.stdout, done.stderr, done.returncode) == (said(row), "", 3)


@pytest.mark.parametrize("options", ["", "-I", "-E", "-s", "-B", "-X dev", "-O", "-u", "-W error", "-P"])
def test_options(row, options):
    check(row, [PYTHON, *options.split(), "-c", SCRIPT, row, "two words"])


def test_script(row):
    check(row, [PYTHON, "child.py", row, "two words"])


def test_tuple(row):
    check(row, (PYTHON, "child.py", row, "two words"))


def test_module(row):
    check(row, [PYTHON, "-m", "child", row, "two words"])


def test_standard_input(row):
    check(row, [PYTHON, "-", row, "two words"], input=IMPORT)


def test_zipapp(row, tmp_path):
    app = tmp_path / "app.pyz"
    with zipfile.ZipFile(app, "w") as archive:
        archive.write("child.py")
        archive.writestr("__main__.py", IMPORT)
    check(row, [PYTHON, str(app), row, "two words"])


@posix
def test_console_script(row, tmp_path):
    script = tmp_path / "tool"
    script.write_text(f"#!{PYTHON}\n{SCRIPT}\n", encoding="utf-8")
    script.chmod(0o755)
    check(row, [str(script), row, "two words"])


@posix
@pytest.mark.parametrize("start", ["", "cd place && ", "true; ", "exec "])
def test_shell(row, start):
    Path("place").mkdir(exist_ok=True)
    script = "../child.py" if start.startswith("cd") else "child.py"
    command = f"{start}{PYTHON} {script} {row} 'two words'"
    check(row, command, shell=True)
    check(row, ["sh", "-c", f"{command}; exit $?"])


@posix
def test_grandchild_of_untraced(row):
    check(row, ["env", "sh", "-c", f"sh -c \"{PYTHON} child.py {row} 'two words'\"; exit $?"])


def test_popen_with_everything(row):
    how = {"start_new_session": True, "umask": 0o22, "close_fds": True} if os.name == "posix" else {}
    check(row, [PYTHON, "child.py", row, "two words"], env={**os.environ, "HOME": "/nowhere"}, **how)


@posix
def test_preexec(row):
    check(row, [PYTHON, "child.py", row, "two words"], preexec_fn=lambda: os.nice(1))


@posix
def test_os_system(row):
    assert os.waitstatus_to_exitcode(os.system(f"{PYTHON} child.py {row} >/dev/null")) == 3


@posix
def test_os_popen(row):
    with os.popen(f"{PYTHON} child.py {row} 'two words'") as pipe:
        assert pipe.read() == said(row)


@posix
def test_os_spawn(row, capfd):
    assert os.spawnv(os.P_WAIT, PYTHON, [PYTHON, "child.py", row]) == 3


def test_os_posix_spawn(row):
    pytest.importorskip("posix")
    blocked = {signal.SIGUSR1}
    pid = os.posix_spawn(PYTHON, [PYTHON, "child.py", row], os.environ, setsigmask=blocked, setsigdef=[signal.SIGPIPE])
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3


def forked(function) -> None:
    """Run it in a forked child, which must end with status 3."""
    pid = os.fork()
    if not pid:
        try:
            function()
        finally:
            os._exit(3)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3


@posix
def test_fork(row):
    forked(lambda: work(row))


@posix
def test_fork_in_a_fork(row):
    forked(lambda: forked(lambda: work(row)))


@posix
@pytest.mark.parametrize("name", ["execv", "execve", "execvp", "execl"])
def test_exec(row, name):
    """Recorded before and after."""
    call = getattr(os, name)
    argv = [PYTHON, "child.py", row]

    def become() -> None:
        work(row)
        if name == "execl":
            call(PYTHON, *argv)
        call(PYTHON, argv, *([os.environ] if name == "execve" else []))

    forked(become)


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_process(row, method):
    process = multiprocessing.get_context(method).Process(target=work, args=(row,))
    process.start()
    process.join()
    assert process.exitcode == 0


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_pool(row, method):
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.starmap(work_twice, [(row, number) for number in range(4)], chunksize=1) == [0, 2, 4, 6]


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_executor(row, method):
    context = multiprocessing.get_context(method)
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as executor:
        assert list(executor.map(work_twice, [row] * 4, range(4))) == [0, 2, 4, 6]


FORGOTTEN = []


def test_executor_never_shut_down(row):
    executor = concurrent.futures.ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))
    FORGOTTEN.append(executor)
    assert list(executor.map(work_twice, [row] * 4, range(4))) == [0, 2, 4, 6]


def test_loky(row):
    loky = pytest.importorskip("loky")
    executor = loky.get_reusable_executor(2)
    assert list(executor.map(work_twice, [row] * 4, range(4))) == [0, 2, 4, 6]
    executor.shutdown()


async def communicate(*argv: str) -> tuple[bytes, int | None]:
    process = await asyncio.create_subprocess_exec(*argv, stdout=subprocess.PIPE)
    return (await process.communicate())[0], process.returncode


def test_asyncio(row):
    assert asyncio.run(communicate(PYTHON, "child.py", row, "two words")) == (said(row).encode(), 3)


def test_uvloop(row):
    uvloop = pytest.importorskip("uvloop")
    assert uvloop.run(communicate(PYTHON, "child.py", row, "two words")) == (said(row).encode(), 3)


# ---- children that are not recorded, and run all the same ----


def test_without_site(row):
    check(row, [PYTHON, "-S", "child.py", row, "two words"])


def test_without_environment(row):
    keep = {name: os.environ[name] for name in ("SYSTEMROOT", "LD_LIBRARY_PATH") if name in os.environ}
    check(row, [PYTHON, "child.py", row, "two words"], env=keep)
