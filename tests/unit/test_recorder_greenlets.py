"""Greenlets: each one's frames nest on a stack of its own, whatever else switches or traces."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.recording import run, run_one
from support.spool_reader import FRAME_IN, FRAME_OUT, SpoolFile, Thread

pytest.importorskip("greenlet")

GREENLET = """
    import greenlet, random
    from greenlet import getcurrent
    kept = []  # or an address would be another's
    def mine(): kept.append(getcurrent()); _recorder.mark(7, b"%d" % id(getcurrent()))
"""


def check_stacks(spool: SpoolFile) -> int:
    """Hold each exit against the innermost frame of the greenlet that runs, and that against what the program says.

    Returns how often it said so.
    """
    return sum(_check_thread(thread) for thread in spool.threads.values())


def _check_thread(thread: Thread) -> int:
    stacks: dict[int, list[tuple[int, int]]] = {}
    names: dict[bytes, int] = {}
    current = claims = 0
    for record in thread.story:
        stack = stacks.setdefault(current, [])
        if record.kind == "switch":
            assert record.id != current
            current = record.id
        elif record.kind in FRAME_IN.values():
            assert not stack or stack[-1][0] < record.depth
            stack.append((record.depth, record.id))
        elif record.kind in FRAME_OUT.values():
            assert stack.pop() == (record.depth, record.id)
        elif record.kind == "mark" and record.id == 7:
            assert names.setdefault(record.payload, current) == current
            claims += 1
    assert len(set(names.values())) == len(names)
    return claims


def test_greenlets_nest_each_on_its_own(tmp_path: Path) -> None:
    spool = run_one(
        tmp_path,
        GREENLET
        + """
    def inner(n): mine(); getcurrent().parent.switch(n); mine()
    def outer(n): inner(n); inner(n + 1)
    def deep(n): return deep(n - 1) if n else outer(0)
    def main():
        all = [greenlet.greenlet(outer) for _ in range(3)]
        for g in all: g.switch(0)
        mine()
        other = greenlet.greenlet(deep); other.switch(100); mine()
        for g in all + [other]: g.switch()
        for g in all + [other]: g.switch()
        mine()
        assert all[0].dead and other.dead
    start(c_calls="all")
    main()
    """,
    )
    assert check_stacks(spool) == 19
    assert sorted(task.kind for task in spool.tasks.values()) == [2] * 4
    assert {task.names[0] for task in spool.tasks.values()} == {"greenlet.greenlet"}


def test_exceptions_kills_and_generators_across_switches(tmp_path: Path) -> None:
    spool = run_one(
        tmp_path,
        GREENLET
        + """
    import gc
    def mine(): _recorder.mark(7, b"%d" % id(getcurrent()))
    def numbers():
        for n in range(3): mine(); getcurrent().parent.switch(); yield n
    def walk():
        try: [mine() for n in numbers()]
        finally: mine()
    def wait():
        try: getcurrent().parent.switch()
        except KeyError: mine(); raise
    def main():
        g = greenlet.greenlet(walk); g.switch(); g.switch(); del g; gc.collect()
        h = greenlet.greenlet(wait); h.switch()
        try: h.throw(KeyError)
        except KeyError: mine()
        never = greenlet.greenlet(wait); never.throw(greenlet.GreenletExit)
    start(c_calls="none")
    main()
    """,
    )
    assert check_stacks(spool) == 6


RANDOM = (
    GREENLET
    + """
    R = random.Random(5); alive = []
    def work(n):
        mine(); x = R.random()
        if n <= 0 or x < .3:
            if alive and R.random() < .8: hop()
        elif x < .6: work(n - 1); work(n - 2)
        elif x < .8:
            g = greenlet.greenlet(work); alive.append(g); g.switch(n - 1)
        elif x < .9:
            try: fail(n)
            except ValueError: pass
        else: [mine() for _ in gen(n - 1)]
        mine()
    def gen(n):
        for _ in range(2): work(n - 1); yield
    def fail(n): work(n - 1); raise ValueError
    def hop():
        g = R.choice(alive)
        if not g.dead and g.gr_frame is not None: g.parent = getcurrent() if not chained(g) else g.parent; g.switch()
    def chained(g):
        c = getcurrent()
        while c is not None:
            if c is g: return True
            c = c.parent
        return False
    def main():
        for _ in range(40): greenlet.greenlet(work).switch(7)
    """
)


def test_a_random_program_is_never_torn(tmp_path: Path) -> None:
    spool = run_one(tmp_path, RANDOM + '\n    start(c_calls="none")\n    main()\n')
    assert check_stacks(spool) > 500
    assert len(spool.tasks) > 40


def test_other_threads_and_a_library_loaded_late(tmp_path: Path) -> None:
    spool = run_one(
        tmp_path,
        """
    import threading
    start(c_calls="none")
    go = threading.Event()
    def late(): go.wait(); work()
    def work():
        def inner(): greenlet.getcurrent().parent.switch()
        for _ in range(3): g = greenlet.greenlet(inner); g.switch(); g.switch()
    thread = threading.Thread(target=late, name="late"); thread.start()
    import greenlet
    go.set(); thread.join()
    work()
    """,
    )
    check_stacks(spool)
    for name in ("late", "MainThread"):
        assert sum(r.kind == "switch" for r in spool.thread(name).story) == 12


def test_a_programs_own_trace_function_sees_what_it_would(tmp_path: Path) -> None:
    program = """
    def before(event, args): seen.append(event)
    def after(event, args): seen.append(event.upper())
    seen = []
    def body(): mine(); getcurrent().parent.switch(); mine()
    def tour():
        answers = [greenlet.gettrace(), greenlet.settrace(before), greenlet.gettrace() is before]
        g = greenlet.greenlet(body); g.switch()
        answers.append(greenlet.settrace(after) is before)
        g.switch()
        answers += [greenlet.settrace(None) is after, greenlet.gettrace()]
        def raises(*args): raise LookupError
        greenlet.settrace(raises); g = greenlet.greenlet(body)
        try: g.switch()
        except LookupError: answers.append("raised")
        answers.append(greenlet.gettrace())
        try: greenlet.settrace()
        except TypeError: answers.append("type")
        g = greenlet.greenlet(body); g.switch(); g.switch(); mine()
        return answers, list(seen)
    """
    spool = run_one(
        tmp_path,
        GREENLET
        + program
        + """
    bare = tour(); seen.clear()
    greenlet.settrace(before)
    start(c_calls="none")
    assert greenlet.gettrace() is before
    assert greenlet.settrace(None) is before
    assert tour() == bare
    greenlet.settrace(after)
    _recorder.stop()
    assert greenlet.gettrace() is after
    """,
    )
    assert sum(r.kind == "switch" for r in spool.thread("MainThread").story) >= 8


@pytest.mark.parametrize("patched", [False, True])
def test_gevent(tmp_path: Path, patched: bool) -> None:
    pytest.importorskip("gevent")
    patch = "from gevent import monkey; monkey.patch_all()" if patched else "pass"
    spool = run_one(
        tmp_path,
        f"""
    {patch}
    import gevent, gevent.queue, socket, threading, time
    from greenlet import getcurrent
    kept = []  # or an address would be another's
    def mine(): kept.append(getcurrent()); _recorder.mark(7, b"%d" % id(getcurrent()))
    sleep = time.sleep if {patched} else gevent.sleep
    def work(n):
        mine(); sleep(0); below(n); mine()
    def below(n):
        mine(); sleep(0.001)
        if n % 3 == 0: raise KeyError
    def put(): [(queue.put(n), mine()) for n in range(5)]
    def get(): [(queue.get(), mine()) for n in range(5)]
    def main():
        global queue
        queue = gevent.queue.Queue(1)
        gevent.joinall([gevent.spawn(work, n) for n in range(1, 20)] + [gevent.spawn(put), gevent.spawn(get)])
        thread = threading.Thread(target=work, args=(1,)); thread.start(); thread.join()
        with gevent.Timeout(0.001, False): gevent.sleep(10)
    gevent.get_hub().print_exception = lambda *args: None
    start(c_calls="none")
    main()
    """,
    )
    assert check_stacks(spool) > 60
    assert sum(task.names[0].endswith("Greenlet") for task in spool.tasks.values()) >= 21


def test_greenlets_are_not_kept_alive(tmp_path: Path) -> None:
    run(
        tmp_path,
        """
    import gc, greenlet, weakref
    start()
    def work(): greenlet.getcurrent().parent.switch()
    def make():
        all = [greenlet.greenlet(work) for _ in range(1000)]
        for g in all: g.switch()
        return [weakref.ref(g) for g in all]
    references = make()
    gc.collect()
    assert not any(reference() for reference in references)
    """,
    )
