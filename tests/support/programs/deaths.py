"""A test suite whose tests start victims and see to it that they die: one test for each case in cases.json.

Where a case is started by "nothing", the test itself is the victim.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import victim

resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
CASES = json.loads(Path("cases.json").read_text(encoding="utf-8"))


class Forked:
    def __init__(self, arguments: list[str]) -> None:
        self.pid = os.fork()
        if not self.pid:
            try:
                victim.victim(*arguments)
            finally:
                os._exit(1)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def terminate(self) -> None:
        os.kill(self.pid, signal.SIGTERM)

    def wait(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


class Process:
    def __init__(self, method: str, arguments: list[str]) -> None:
        self.process = multiprocessing.get_context(method).Process(target=victim.victim, args=arguments)
        self.process.start()
        self.pid, self.kill, self.terminate = self.process.pid, self.process.kill, self.process.terminate

    def wait(self) -> int | None:
        self.process.join()
        return self.process.exitcode


class Itself:
    """Another process kills this one."""

    def __init__(self, moment: str, death: str, counts: victim.Counts) -> None:
        self.pid = os.getpid()
        if death in KILL and not os.fork():
            await_moment(moment, counts)
            KILL[death](self)
            os._exit(0)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def terminate(self) -> None:
        os.kill(self.pid, signal.SIGTERM)


START = {
    "fork": Forked,
    "process": lambda arguments: Process("fork", arguments),
    "spawn": lambda arguments: Process("spawn", arguments),
    "program": lambda arguments: subprocess.Popen([sys.executable, victim.__file__, *arguments]),
}
KILL = {
    "killed": lambda process: process.kill(),
    "terminated": lambda process: process.terminate(),
    "segfaulted": lambda process: os.kill(process.pid, signal.SIGSEGV),
    "aborted": lambda process: os.kill(process.pid, signal.SIGABRT),
    "hunted": lambda process: subprocess.run(["sh", "-c", f"kill -9 {process.pid}"], check=True),
}


def await_moment(moment: str, counts: victim.Counts) -> None:
    if moment == "at_once":
        return
    while counts.fields[victim.ENDED] < victim.ENOUGH:
        time.sleep(0.001)
    if moment in ("sleeping", "locked", "reading"):
        while not counts.fields[victim.BLOCKS] or not sleeps(counts.fields[victim.PID]):
            time.sleep(0.001)


def sleeps(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] == b"S"


def reap(process) -> int | None:
    return process.wait()


@pytest.mark.parametrize(("start", "moment", "death", "status"), CASES, ids=["-".join(case[:3]) for case in CASES])
def test_dies(start: str, moment: str, death: str, status: int) -> None:
    path = Path(f"{start}-{moment}-{death}.counts")
    path.write_bytes(bytes(32))
    if start == "nothing":
        Itself(moment, death, victim.Counts(str(path)))
        victim.victim(str(path), moment, death)
    process = START[start]([str(path), moment, death])
    if death in KILL:
        await_moment(moment, victim.Counts(str(path)))
        KILL[death](process)
    assert reap(process) == status
