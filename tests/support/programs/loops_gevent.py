"""Tests of greenlets, whose timelines tests/integration/test_loops.py looks at."""

import gevent
import gevent.queue
import greenlet


def outer(number):
    inner(number)
    gevent.sleep(0.002)


def inner(number):
    for _ in range(number):
        leaf()


def leaf():
    gevent.sleep(0.001)


def test_gevent():
    gevent.joinall([gevent.spawn(outer, number) for number in range(1, 4)])


def test_queue():
    queue = gevent.queue.Queue(1)

    def produce():
        for number in range(3):
            queue.put(number)

    def consume():
        assert [queue.get() for _ in range(3)] == [0, 1, 2]

    gevent.joinall([gevent.spawn(consume), gevent.spawn(produce)])


def test_greenlets():
    """Two greenlets take turns in the middle of calls."""

    def ping():
        for number in range(5):
            assert turn(pong_greenlet, number) == -number

    def pong(number):
        while True:
            number = turn(ping_greenlet, -number)

    def turn(other, value):
        return other.switch(value)

    pong_greenlet = greenlet.greenlet(pong)
    ping_greenlet = greenlet.greenlet(ping)
    ping_greenlet.switch()
    assert ping_greenlet.dead
