"""session/failure.py: what is told of an exception, however odd it is."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from pytest_timeline.session import failure

MOST_BYTES = 30_000  # of the 32 KiB of a chunk


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


def described(error: BaseException) -> dict[str, Any]:
    """Return what is told, which fits into a mark."""
    told = failure.describe(error)
    assert len(orjson.dumps(told)) < MOST_BYTES
    return told


def test_type_message_and_traceback() -> None:
    told = described(raised(ValueError("no\nreally")))
    assert told == {
        "exception": "ValueError",
        "message": "no\nreally",
        "traceback": [f"{__file__}:{raised.__code__.co_firstlineno + 2} raised"],
    }


def test_notes() -> None:
    error = ValueError("no")
    for number in range(12):
        error.add_note(f"note {number}")
    error.__notes__[1] = 7  # type: ignore[call-overload]
    notes = described(error)["notes"]
    assert notes[:3] == ["note 0", "7", "note 2"] and notes[-1] == "... 4 notes left out" and len(notes) == 9
    error.__notes__ = 3  # type: ignore[assignment]
    assert "notes" not in described(error)


def test_the_chain() -> None:
    cause, context, hidden = KeyError("cause"), OSError("context"), TypeError("hidden")
    first, second, third = ValueError(1), ValueError(2), ValueError(3)
    first.__cause__, second.__context__, third.__context__ = cause, context, hidden
    third.__suppress_context__ = True
    cause.__context__ = second
    told = described(first)
    assert [(other["of"], other["as"], other["message"]) for other in told["others"]] == [
        (0, "cause", "'cause'"),
        (1, "context", "2"),
        (2, "context", "context"),
    ]
    assert "others" not in described(third)


def test_the_exceptions_of_nested_groups() -> None:
    leaf = raised(ConnectionResetError("gone"))
    inner = ExceptionGroup("inner", [raised(OSError("x")), ValueError("y")])
    told = described(BaseExceptionGroup("outer", [leaf, inner, KeyboardInterrupt()]))
    assert [(other["of"], other["as"], other["exception"]) for other in told["others"]] == [
        (0, "member", "ConnectionResetError"),
        (0, "member", "ExceptionGroup"),
        (0, "member", "KeyboardInterrupt"),
        (2, "member", "OSError"),
        (2, "member", "ValueError"),
    ]
    assert [bool(other["traceback"]) for other in told["others"]] == [True, False, False, True, False]
    assert failure.line(told, 500) == "BaseExceptionGroup: outer (3 sub-exceptions): ConnectionResetError: gone"
    assert failure.line(told, 10) == "BaseExcept"


def test_cycles_end() -> None:
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__context__ = two, one
    assert [other["message"] for other in described(one)["others"]] == ["two"]


def test_no_exception_of_many_is_lost_without_being_counted() -> None:
    told = described(ExceptionGroup("many", [ValueError(number) for number in range(1_000)]))
    assert len(told["others"]) == failure.MOST
    assert told["left_out"] == 1_000 - failure.MOST


@pytest.mark.parametrize("text", ["x", "\x00", "\udc80", "\U0001f600", '"', "\n"])
def test_huge_messages_fit_and_say_what_is_missing(text: str) -> None:
    error = ValueError(text * 1_000_000)
    error.add_note(text * 1_000_000)
    members = [ValueError(text * 1_000_000) for _ in range(100)]
    told = described(ExceptionGroup(text * 1_000_000, [raised(error), *members]))
    assert told["cut"] >= 1_000_000 - failure.CHARACTERS
    assert len(told.get("others", ())) + told["left_out"] == 101


def test_a_lone_surrogate_is_readable() -> None:
    assert described(ValueError("a\udce4b"))["message"] == "a\\udce4b"


def test_a_deep_recursion_keeps_both_ends() -> None:
    def recurse(left: int) -> None:
        if left:
            recurse(left - 1)
        raise ValueError

    try:
        recurse(99)
    except ValueError as error:
        traceback = described(error)["traceback"]
    assert len(traceback) == failure.OUTERMOST + 1 + failure.INNERMOST
    assert traceback[0].endswith(" test_a_deep_recursion_keeps_both_ends")
    assert traceback[failure.OUTERMOST] == f"... {101 - failure.OUTERMOST - failure.INNERMOST} frames left out"
    assert traceback[-1].endswith("recurse")


class Meta(type):
    def __getattribute__(cls, name: str) -> Any:
        if name == "__qualname__":
            raise AssertionError(name)
        return super().__getattribute__(name)


class Hostile(Exception, metaclass=Meta):
    """Whatever it is asked, it raises."""

    def __getattribute__(self, name: str) -> Any:
        raise AssertionError(name)

    def __str__(self) -> str:
        raise SystemExit(3)


class Text(str):
    def __getitem__(self, key: Any) -> str:
        raise AssertionError

    def __len__(self) -> int:
        raise AssertionError


class Odd(Exception):
    def __str__(self) -> str:
        return Text("odd")


class Wrong(Exception):
    def __str__(self) -> str:
        return 3  # type: ignore[return-value]


def test_no_exception_makes_it_fail() -> None:
    hostile = raised(Hostile())
    told = described(ExceptionGroup("all", [hostile, Odd(), Wrong()]))  # type: ignore[list-item]
    assert [(other["exception"], other["message"]) for other in told["others"]] == [
        ("Hostile", "<its __str__ raised SystemExit>"),
        ("Odd", "odd"),
        ("Wrong", "<its __str__ raised TypeError>"),
    ]
    assert described(KeyboardInterrupt())["message"] == ""


def test_ctrl_c_while_a_message_is_made_is_not_swallowed() -> None:
    class Slow(Exception):
        def __str__(self) -> str:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        failure.describe(Slow())


def test_no_traceback_where_the_test_wants_none() -> None:
    for pytrace in (True, False):
        with pytest.raises(pytest.fail.Exception) as caught:
            pytest.fail("no", pytrace=pytrace)
        assert bool(described(caught.value)["traceback"]) is pytrace
