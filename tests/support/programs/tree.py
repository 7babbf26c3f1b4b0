"""A random tree of calls, the same for the same seed: recursion, generators, exceptions, closures, threads.

tree.py ours DIRECTORY SEED     under the recorder
tree.py naive FILE SEED         under sys.setprofile, which writes FILE: per thread, "in NAME" and "out NAME" lines
tree.py both DIRECTORY SEED     under both, while the recorder mutes functions all the time; DIRECTORY/naive has
                                "IDENT TICK in NAME" and "IDENT TICK out NAME" lines
"""

import functools
import random
import sys
import threading

DEPTH = 7
THREADS = 3


class Boom(Exception):
    pass


class Callable:
    def __init__(self, tree):
        self.tree = tree

    def __call__(self, depth):
        self.tree.act(depth)

    @property
    def value(self):
        return self.tree.act(1)


class Tree:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.suspended = []

    def act(self, depth):
        for _ in range(self.random.randrange(1, 4)):
            if depth > 0:
                self.random.choice(self.ACTIONS)(self, depth - 1)

    def recurse(self, depth):
        self.recurse(depth - 1) if depth > 0 else self.act(0)

    def raise_through(self, depth):
        try:
            self.fail(depth)
        except Boom:
            self.act(depth - 1)

    def fail(self, depth):
        self.act(depth - 1)
        raise Boom

    def numbers(self, depth):
        for i in range(self.random.randrange(4)):
            self.act(depth - 1)
            yield i

    def exhaust(self, depth):
        return sum(self.numbers(depth))

    def delegate(self, depth):
        def both():
            yield from self.numbers(depth)
            yield from self.numbers(depth)

        return list(both())

    def break_off(self, depth):
        numbers = self.numbers(depth)
        next(numbers, None)
        self.suspended.append(numbers)

    def throw_into(self, depth):
        def catching():
            try:
                yield 1
            except Boom:
                self.act(depth - 1)
                yield 2

        generator = catching()
        next(generator)
        generator.throw(Boom())
        self.suspended.append(generator)

    def call_back(self, depth):
        sorted([2, 1], key=lambda _: self.act(depth - 1) or 0)

    def call_object(self, depth):
        Callable(self)(depth)
        functools.partial(Callable(self), depth)()
        return Callable(self).value

    def comprehend(self, depth):
        return {n: (lambda n=n: n)() for n in self.numbers(depth)}

    def drive_coroutine(self, depth):
        async def inner():
            self.act(depth - 1)

        async def outer():
            await inner()

        try:
            outer().send(None)
        except StopIteration:
            pass

    ACTIONS = (
        recurse, raise_through, exhaust, delegate, break_off, throw_into, call_back, call_object, comprehend,
        drive_coroutine,
    )  # fmt: skip


def grow(tree):
    tree.act(DEPTH)


def grow_in_threads(seed, note=lambda: None, times=1):
    barrier = threading.Barrier(THREADS)  # all alive at once, so that no ident is used twice

    def work(tree):
        barrier.wait()
        for _ in range(times):
            note()
            grow(tree)
        barrier.wait()

    trees = [Tree(seed * 1000 + i) for i in range(THREADS)]
    threads = [threading.Thread(target=work, args=(tree,), name=f"tree-{i}") for i, tree in enumerate(trees)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return trees  # kept: what a generator does when it is collected is nobody's business here


def naive(path, seed):
    stories, names = {}, {}

    def profile(frame, what, argument):
        code = frame.f_code
        if what in ("call", "return") and code.co_filename == __file__ and code is not note.__code__:
            story = stories.setdefault(threading.get_ident(), [])
            story.append(f"{'in' if what == 'call' else 'out'} {code.co_qualname}")

    def note():
        names[threading.get_ident()] = threading.current_thread().name

    threading.setprofile(profile)
    trees = grow_in_threads(seed, note)
    threading.setprofile(None)
    with open(path, "w") as file:
        for ident, story in stories.items():
            file.writelines(f"{names[ident]} {line}\n" for line in story)
    return trees


def ours(directory, seed):
    from pytest_timeline import _recorder

    _recorder.start(directory, clock=_recorder.choose_clock(), c_calls="all", included=[__file__])
    trees = grow_in_threads(seed, _recorder.active)
    _recorder.stop()
    return trees


def both(directory, seed):
    from pytest_timeline import _recorder

    stories = {}
    clock = _recorder.choose_clock()

    def profile(frame, what, argument):
        code = frame.f_code
        if what in ("call", "return") and code.co_filename == __file__:
            story = stories.setdefault(threading.get_ident(), [])
            story.append(f"{_recorder.now(clock)} {'in' if what == 'call' else 'out'} {code.co_qualname}")

    # A test may begin at any moment, or the recorder be adjusted: then what was muted is recorded again.
    again = (
        functools.partial(_recorder.mark, _recorder.MARKS["TEST_BEGIN"], b"{}"),
        functools.partial(_recorder.adjust, args=["nothing"]),
        functools.partial(_recorder.adjust, args=["Tree.recurse"]),
        _recorder.adjust,
    )
    Tree.ACTIONS += (lambda tree, depth: tree.random.choice(again)() if tree.random.random() < 0.01 else None,)
    _recorder.start(directory, clock=clock, c_calls="all", included=[__file__], sample=100, hot_ns=10**9)
    threading.setprofile(profile)
    trees = grow_in_threads(seed, _recorder.active, 60)
    threading.setprofile(None)
    _recorder.stop()
    with open(f"{directory}/naive", "w") as file:
        for ident, story in stories.items():
            file.writelines(f"{ident} {line}\n" for line in story)
    return trees


if __name__ == "__main__":
    how, where, seed = sys.argv[1:]
    sys.setswitchinterval(1e-5)
    {"naive": naive, "ours": ours, "both": both}[how](where, int(seed))
