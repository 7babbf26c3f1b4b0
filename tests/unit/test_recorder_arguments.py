"""Whose arguments and return values are written, and what of them: read back with an independent reader."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from support.recording import run, run_one

MONITORING = sys.version_info >= (3, 12)


def kept(directory: Path, program: str) -> list[tuple[str, dict[str, str] | str]]:
    """Run the program with `start()` keeping what is called `kept*`, and return what the main thread tells."""
    return run_one(directory, program.replace("start(", 'start(c_calls="none", args=["::*kept*"], ')).arguments()


class TestWhich:
    @pytest.mark.parametrize(
        ("pattern", "functions"),
        [
            ("::Cart.add", ["Cart.add"]),
            ("::Cart.*", ["Cart.add", "Cart.total"]),
            ("::*.total", ["Cart.total", "total"]),
            ("::total", ["total"]),
            ("::shop.cart.Cart.add", ["Cart.add"]),
            ("::shop.cart:total", ["total"]),
            ("::shop.*:total", ["total"]),
            ("::cart.total", []),
            ("::shop.cart", ["Cart.add", "Cart.total", "total"]),
            ("::shop", ["Cart.add", "Cart.total", "total"]),
            ("::hop", []),
            ("DIR/shop::*", ["Cart.add", "Cart.total", "total"]),
            ("DIR/shop/c?rt.py::*", ["Cart.add", "Cart.total", "total"]),
            ("DIR/shop/cart.py::total", ["total"]),
            ("DIR/sho::*", []),
            ("DIR/elsewhere::total", []),
        ],
    )
    def test_a_pattern(self, tmp_path: Path, pattern: str, functions: list[str]) -> None:
        (tmp_path / "shop").mkdir()
        (tmp_path / "shop" / "__init__.py").touch()
        (tmp_path / "shop" / "cart.py").write_text(
            "class Cart:\n def add(self): pass\n def total(self): pass\ndef total(): pass\n"
        )
        spool = run_one(
            tmp_path,
            f"""
            import shop.cart as it
            def other(): pass
            start(c_calls="none", args=[{pattern.replace("DIR", str(tmp_path))!r}])
            it.Cart().add(); it.Cart().total(); it.total(); other()
        """,
        )
        told = spool.arguments()
        assert [name for name, what in told if isinstance(what, dict)] == functions
        assert [name for name, what in told if isinstance(what, str)] == functions
        (thread,) = spool.threads.values()
        assert [record.id for record in thread.story if record.kind == "matched"] == ([0] if functions else [])

    def test_of_the_others_nothing_is_written(self, tmp_path: Path) -> None:
        told = kept(
            tmp_path,
            """
            def kept(a): return other(a)
            def other(secret): return secret + 1
            start()
            other(1); kept(2)
        """,
        )
        assert told == [("kept", {"a": "2"}), ("kept", "3")]

    def test_more_for_a_while(self, tmp_path: Path) -> None:
        spool = run_one(
            tmp_path,
            """
            def always(n): pass
            def sometimes(n): pass
            start(c_calls="none", args=["::always"])
            for n in range(3):
                if n == 1: _recorder.adjust(args=["::sometimes", "::nothing"])
                always(n); sometimes(n)
                if n == 1: _recorder.adjust()
        """,
        )
        told = [(name, what["n"]) for name, what in spool.arguments() if isinstance(what, dict)]
        assert told == [("always", "0"), ("always", "1"), ("sometimes", "1"), ("always", "2")]
        assert [record.id for record in spool.thread("MainThread").story if record.kind == "matched"] == [0]

    def test_children_by_fork_are_told_of_too(self, tmp_path: Path) -> None:
        if sys.platform == "win32":
            pytest.skip("no fork here")
        spools = run(
            tmp_path,
            """
            import os
            def kept(n): return n
            def parent():
                if pid := os.fork(): os.waitpid(pid, 0)
                else: kept(5); os._exit(0)
            start(c_calls="none", args=["::kept"])
            parent()
        """,
        )
        (child,) = (spool for spool in spools.values() if spool.parent)
        (parent,) = (spool for spool in spools.values() if not spool.parent)
        child.names |= parent.names | child.names
        assert child.arguments() == [("kept", {"n": "5"}), ("kept", "5")]
        assert parent.arguments() == []

    def test_nothing_of_a_paused_thread(self, tmp_path: Path) -> None:
        told = kept(
            tmp_path,
            """
            def kept(n): return n
            start()
            kept(1)
            _recorder.pause(); kept(2); _recorder.go_on()
            kept(3)
        """,
        )
        assert [what for _, what in told if isinstance(what, str)] == ["1", "3"]


class TestFunctions:
    def test_all_kinds_of_parameters(self, tmp_path: Path) -> None:
        told = kept(
            tmp_path,
            """
            def kept(a, /, b, *rest, c=3, **more): return a
            def kept_none(): return None
            def kept_cell(x, *y, **z):
                return (lambda: (x, y, z))()
            def kept_deleted(x):
                del x
            def maker(free):
                def kept_free(own): return own + free
                return kept_free
            class Odd:
                def kept(self, __private): return self
                def __repr__(self): return "<odd>"
                @classmethod
                def kept_class(cls): pass
                @staticmethod
                def kept_static(x): pass
            kept_lambda = lambda x=5: x
            kept_lambda.__code__ = kept_lambda.__code__.replace(co_qualname="kept_lambda")
            free = maker(2)
            start()
            kept(1, 2, 30, 31, k=4)
            kept(1, b="two")
            kept_none()
            kept_cell(1, 2, z=3)
            kept_deleted([1])
            free(1)
            Odd().kept(1); Odd.kept_class(); Odd.kept_static(1)
            kept_lambda()
        """,
        )
        assert told == [
            ("kept", {"a": "1", "b": "2", "c": "3", "*rest": "(30, 31)", "**more": "{'k': 4}"}),
            ("kept", "1"),
            ("kept", {"a": "1", "b": "'two'", "c": "3", "*rest": "()", "**more": "{}"}),
            ("kept", "1"),
            ("kept_none", {}),
            ("kept_none", "None"),
            ("kept_cell", {"x": "1", "*y": "(2,)", "**z": "{'z': 3}"}),
            ("kept_cell.<locals>.<lambda>", {}),
            ("kept_cell.<locals>.<lambda>", "(1, (2,), {'z': 3})"),
            ("kept_cell", "(1, (2,), {'z': 3})"),
            ("kept_deleted", {"x": "[1]"}),
            ("kept_deleted", "None"),
            ("maker.<locals>.kept_free", {"own": "1"}),
            ("maker.<locals>.kept_free", "3"),
            ("Odd.kept", {"self": "<odd>", "_Odd__private": "1"}),
            ("Odd.kept", "<odd>"),
            ("Odd.kept_class", {"cls": "<class '__main__.Odd'>"}),
            ("Odd.kept_class", "None"),
            ("Odd.kept_static", {"x": "1"}),
            ("Odd.kept_static", "None"),
            ("kept_lambda", {"x": "5"}),
            ("kept_lambda", "5"),
        ]

    def test_the_order_of_records(self, tmp_path: Path) -> None:
        spool = run_one(
            tmp_path,
            """
            def kept(n): return n and kept(n - 1)
            start(c_calls="none", args=["::kept"])
            kept(1)
        """,
        )
        kinds = [r.kind for r in spool.thread("MainThread").story if r.kind in {"start", "args", "result", "return"}]
        assert kinds == ["start", "args", "start", "args", "result", "return", "result", "return"]

    def test_generators_and_coroutines_tell_what_they_began_with_and_return(self, tmp_path: Path) -> None:
        told = kept(
            tmp_path,
            """
            import asyncio
            def kept_numbers(n):
                yield n
                n += 1
                yield n
                return "end"
            async def kept_wait(n):
                await asyncio.sleep(0)
                return n * 2
            async def kept_stream(n):
                yield n
            async def main():
                await kept_wait(21)
                async for _ in kept_stream(7): pass
            start()
            list(kept_numbers(1))
            unused = kept_numbers(3)
            asyncio.run(main())
        """,
        )
        assert told == [
            ("kept_numbers", {"n": "1"}),
            ("kept_numbers", "'end'"),
            ("kept_wait", {"n": "21"}),
            ("kept_wait", "42"),
            ("kept_stream", {"n": "7"}),
            ("kept_stream", "None"),
        ]

    def test_what_raises_has_no_result(self, tmp_path: Path) -> None:
        told = kept(
            tmp_path,
            """
            def kept(n): raise KeyError(n)
            start()
            try: kept(1)
            except KeyError: pass
        """,
        )
        assert told == [("kept", {"n": "1"})]

    def test_many_and_long_arguments_are_cut(self, tmp_path: Path) -> None:
        ((_, arguments), _) = kept(
            tmp_path,
            """
            names = [f"a{n}" for n in range(50)]
            exec(f"def kept({', '.join(names)}): pass")
            start()
            kept(*["x" * 90] * 50)
        """,
        )
        assert isinstance(arguments, dict)
        shown = len(arguments) - 1
        assert 5 < shown < 12
        assert arguments["..."] == f"{50 - shown} more"

    def test_nothing_is_kept_alive_or_counted(self, tmp_path: Path) -> None:
        told = kept(
            tmp_path,
            """
            import gc, sys, weakref
            class Thing: pass
            def kept(thing, *, closed_over):
                def inner(): return closed_over
                return sys.getrefcount(thing), sys.getrefcount(closed_over)
            def kept_back(thing): return thing
            def kept_drop(box):
                thing = box.pop()
                seen = weakref.ref(thing)
                del thing
                return seen() is None
            def kept_first(thing):
                seen = weakref.ref(thing)
                del thing
                return seen() is None
            def counts():
                a, b = Thing(), Thing()
                before = sys.getrefcount(a), sys.getrefcount(b)
                during = kept(a, closed_over=b)
                assert (sys.getrefcount(a), sys.getrefcount(b)) == before
                return during
            gc.disable()
            plain = counts()
            start()
            assert counts() == plain
            assert kept_drop([Thing()])
            assert kept_first(Thing())
            thing = Thing()
            seen = weakref.ref(thing)
            kept_back(thing)
            del thing
            assert seen() is None
        """,
        )
        assert len(told) == 8


class TestReprs:
    def test_builtins(self, tmp_path: Path) -> None:
        told = kept(
            tmp_path,
            """
            import collections, dataclasses, enum, types
            class Text(str): pass
            class Loud(str):
                def __repr__(self): return "LOUD"
            class Table(dict): pass
            Pair = collections.namedtuple("Pair", "x y")
            Color = enum.Enum("Color", "RED")
            Level = enum.IntEnum("Level", "LOW")
            @dataclasses.dataclass
            class Point: x: int
            deep = [[[[[1]]]]]
            cycle = []; cycle.append(cycle)
            many = list(range(10**6))
            values = [
                None, True, 1.5, 2j, ..., "it's", b"x", bytearray(b"y"), [1, "a"], (1,), (), {}, {"a": {1: 2}}, {1},
                set(), frozenset({1}), frozenset(), Text("t"), Loud("l"), Table(a=1), Pair(1, 2), Color.RED, Level.LOW,
                Point(3), range(3), int, deep, collections.deque([1]), collections.OrderedDict(a=1), "x" * 1000,
                b"x" * 1000, many, dict.fromkeys(many), set(many), collections.deque(many), dict.fromkeys(many).keys(),
                collections.OrderedDict.fromkeys(many), collections.Counter(many), Loud("l" * 1000), 10 ** 10 ** 6,
                "a\\0b", "\\ud800", types.MappingProxyType(dict.fromkeys(many)), cycle,
            ]
            def kept(value): pass
            start()
            for value in values: kept(value)
        """,
        )
        texts = [what["value"] for _, what in told if isinstance(what, dict)]
        first_ten = "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ... 999990 more"
        keys = ", ".join(f"{n}: None" for n in range(10)) + ", ... 999990 more"
        ordered = "OrderedDict({'a': 1})" if MONITORING else "OrderedDict([('a', 1)])"
        counter = ", ".join(f"{n}: 1" for n in range(10)) + ", ... 999990 more"
        assert texts == [
            "None", "True", "1.5", "2j", "Ellipsis", '"it\'s"', "b'x'", "bytearray(b'y')", "[1, 'a']", "(1,)", "()",
            "{}", "{'a': {1: 2}}", "{1}", "set()", "frozenset({1})", "frozenset()", "__main__.Text('t')", "LOUD",
            "__main__.Table({'a': 1})", "Pair(x=1, y=2)", "<Color.RED: 1>", "<Level.LOW: 1>", "Point(x=3)",
            "range(0, 3)", "<class 'int'>", "[[[[...]]]]", "deque([1])", ordered, f"'{'x' * 100}'... 900 more",
            f"b'{'x' * 100}'... 900 more", f"[{first_ten}]", f"{{{keys}}}", f"{{{first_ten}}}",
            "<collections.deque of 1000000 items>", "<dict_keys of 1000000 items>",
            f"collections.OrderedDict({{{keys}}})", f"collections.Counter({{{counter}}})",
            f"__main__.Loud('{'l' * 100}'... 900 more)", "<int of 3321929 bits>", r"'a\x00b'", r"'\ud800'",
            "<mappingproxy of 1000000 items>", "[[[[...]]]]",
        ]  # fmt: skip

    def test_hostile_ones_harm_nobody(self, tmp_path: Path) -> None:
        spool = run_one(
            tmp_path,
            """
            import threading, time
            def recorded(): pass
            class Base:
                def __init__(self, holder=None): self.holder = holder
            class Raises(Base):
                def __repr__(self): raise ValueError("no")
            class Exits(Base):
                def __repr__(self): raise SystemExit(3)
            class Interrupts(Base):
                def __repr__(self): raise KeyboardInterrupt
            class Recurses(Base):
                def __repr__(self): return repr(self)
            class Huge(Base):
                def __repr__(self): return "h" * 10**7
            class NoText(Base):
                def __repr__(self): return 5
            class Calls(Base):
                def __repr__(self): recorded(); kept(1); return "called"
            class Switches(Base):
                def __repr__(self):
                    other = threading.Thread(target=recorded, name="other")
                    other.start(); other.join()
                    return "switched"
            class Empties(Base):
                def __repr__(self): self.holder.clear(); return "emptied"
            class Changes(Base):
                def __repr__(self): self.__class__ = Raises; raise KeyError
            class Meta(type):
                def __repr__(self): raise ValueError
            class OfMeta(metaclass=Meta): pass
            class Pretends:
                __class__ = dict
                def __getattribute__(self, name): raise OSError
                def __repr__(self): return "pretended"
            class Lies(list):
                def __len__(self): return -5
                def __iter__(self): raise OSError
                def __getitem__(self, at): raise OSError
            class Half(Base):
                def __init__(self, kept): self.ready = kept
                def __repr__(self): return self.ready
            def kept(value): return value
            holder = []
            holder += [Empties(holder), 1, 2, 3]
            table = {1: Empties(), 2: 2}; table[1].holder = table
            values = [Raises(), Exits(), Interrupts(), Recurses(), Huge(), NoText(), Calls(), Switches(), holder, table,
                Changes(), Meta, OfMeta, Pretends(), Lies([1])]
            start(c_calls="none", args=["::kept", "::Half.*"])
            limit = sys.getrecursionlimit()
            for value in values:
                assert kept(value) is value
            Half("ready")
            def deep(n): return deep(n - 1) if n else kept(Raises())
            try: deep(limit)
            except RecursionError: pass
            kept(0)
            assert _recorder.losses()["error"] == 0
        """,
        )
        told = spool.arguments()
        texts = [what["value"] for name, what in told if name == "kept" and isinstance(what, dict)]
        error = "<__main__.{} object, its repr raised {}>".format
        assert texts[:15] == [
            error("Raises", "ValueError"),
            error("Exits", "SystemExit"),
            error("Interrupts", "KeyboardInterrupt"),
            error("Recurses", "RecursionError"),
            "h" * 200 + "...",
            error("NoText", "TypeError"),
            "called",
            "switched",
            "[emptied, 1, 2, 3]",
            "{1: emptied, 2: 2}",
            error("Changes", "KeyError"),
            "<class '__main__.Meta'>",
            "<__main__.Meta object, its repr raised ValueError>",
            "pretended",
            "__main__.Lies([1])",
        ]
        assert texts[-1] == "0"
        (half,) = (what for name, what in told if name == "Half.__init__" and isinstance(what, dict))
        assert half["self"].startswith("<__main__.Half object at 0x")
        assert half["kept"] == "'ready'"
        assert "recorded" not in [name for _, name in spool.frames()]
        others = [thread for thread in spool.threads.values() if thread.names[-1] == "other"]
        assert [[r.name for r in other.records].count("recorded") for other in others] == [2, 2]

    def test_a_type_that_is_slow_is_not_asked_for_ever(self, tmp_path: Path) -> None:
        told = kept(
            tmp_path,
            """
            import time
            class Slow:
                def __repr__(self): time.sleep(0.06); return "slow"
            def kept(value): pass
            start()
            for _ in range(5): kept(Slow())
        """,
        )
        texts = [what["value"] for _, what in told if isinstance(what, dict)]
        assert texts == ["slow"] * 3 + ["<__main__.Slow object, its repr is slow>"] * 2

    @pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
    def test_a_signal_meanwhile_is_the_programs(self, tmp_path: Path) -> None:
        told = kept(
            tmp_path,
            """
            import os, signal
            class Timeout(BaseException): pass
            def on_alarm(number, frame): raise Timeout
            signal.signal(signal.SIGALRM, on_alarm)
            class Waits:
                def __init__(self, number): self.number = number
                def __repr__(self):
                    os.kill(os.getpid(), self.number)
                    for _ in range(1000): pass
            def kept(value): return [each for each in range(100)]
            start()
            for number, expected in (signal.SIGALRM, Timeout), (signal.SIGINT, KeyboardInterrupt):
                try:
                    kept(Waits(number))
                    for _ in range(1000): pass
                except expected: pass
                else: raise AssertionError(expected)
        """,
        )
        assert [what["value"] for _, what in told if isinstance(what, dict)] == [
            "<__main__.Waits object, its repr raised __main__.Timeout>",
            "<__main__.Waits object, its repr raised KeyboardInterrupt>",
        ]
