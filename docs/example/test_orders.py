"""An asyncio test that fails, for docs/report.md: three orders are captured at once, and one gives up."""

import asyncio
import json
import logging
import subprocess
import sys
import threading
import time

import pytest

log = logging.getLogger("orders")


class Ledger:
    """Writes what was paid; one writer at a time, and its file is slow."""

    def __init__(self, path):
        self.path = path
        self.lock = asyncio.Lock()
        self.entries = []

    async def append(self, order):
        async with self.lock:
            self.entries.append(order)
            await asyncio.to_thread(self._write)

    def _write(self):
        time.sleep(0.02)
        self.path.write_text(json.dumps(self.entries))

    def report(self):
        lines = [json.dumps({"order": order, "total": total(order)}) for order in self.entries for _ in range(40)]
        return "\n".join(lines)


def total(order):
    return sum(len(str(step)) for step in range(order * 10))


class Gateway:
    """The payment service's client."""

    async def authorize(self, order):
        await asyncio.sleep(0.01 * order)
        return f"auth-{order}"

    async def charge(self, order, token):
        log.info("charging %s with %s", order, token)
        if order == 3:
            time.sleep(0.06)  # the bug: it blocks the event loop
        await asyncio.sleep(0.015)


async def capture(order, gateway, ledger):
    token = await gateway.authorize(order)
    await gateway.charge(order, token)
    async with asyncio.timeout(0.05):
        await ledger.append(order)
    return order


async def heartbeat(beats):
    while True:
        beats.append(time.monotonic())
        await asyncio.sleep(0.02)


async def capture_all(orders, gateway, ledger):
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(capture(order, gateway, ledger), name=f"capture:order-{order}") for order in orders]
    return [task.result() for task in tasks]


@pytest.fixture
def service():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.25)"])
    yield child
    child.wait()


@pytest.fixture
def flusher():
    done = threading.Event()
    thread = threading.Thread(target=lambda: [None for _ in iter(lambda: done.wait(0.04), True)], name="ledger-flush")
    thread.start()
    yield
    done.set()
    thread.join()


def test_concurrent_capture(tmp_path, service, flusher):
    async def main():
        ledger, gateway, beats = Ledger(tmp_path / "ledger.json"), Gateway(), []
        pulse = asyncio.create_task(heartbeat(beats), name="heartbeat")
        try:
            captured = await capture_all([1, 2, 3, 4], gateway, ledger)
        finally:
            pulse.cancel()
        ledger.report()
        return captured

    assert asyncio.run(main()) == [1, 2, 3, 4]
