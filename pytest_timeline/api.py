"""What helpers and applications tell the timeline by: `from pytest_timeline import span, instant, counter`.

    with span("load", table="users") as s:
        s.add(rows=len(load()))

    @span("fetch")
    async def fetch(url): ...

    instant("cache miss", key=key)
    counter("queue", len(queue), unit="jobs")

Where no timeline is recorded, all of it does nothing. It may be used in any thread, task and child process.

- `span(name, **args)` is a context manager and a decorator. A decorated function, coroutine function, generator or
  async generator has a span for each call, from its first step to its last. Spans may overlap and may end in another
  thread than they began in. `add(**args)` adds arguments while it is open. An exception that leaves it is noted, and
  goes on.
- `instant(name, **args)` marks a moment.
- `counter(name, value, unit="")` tells a value that holds until the next one. What is not finite is left out.

`args` are kept as they are where they are plain JSON types, and by their repr where they are not, all cut to bounds.

Raise TypeError for a name or a unit that is no str, or a value that is no number, and ValueError for an empty name.
"""

from __future__ import annotations

from functools import partial, wraps

from pytest_timeline._recorder import TimelineSpan, counter, instant

TYPE_CHECKING = False  # typing's, which every child that tells anything would have to import
if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator
    from typing import Any

__all__ = ["counter", "instant", "span"]

span = TimelineSpan
GENERATOR, COROUTINE, ITERABLE_COROUTINE, ASYNC_GENERATOR = 0x20, 0x80, 0x100, 0x200  # co_flags


def decorated(span: TimelineSpan, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what `span` makes of a function. Raises TypeError for what is no function."""
    if not callable(function) or isinstance(function, type):
        raise TypeError(f"span decorates functions, not {function!r}")
    flags = _flags(function)
    if flags & ASYNC_GENERATOR:
        around = _around_async_generator
    elif flags & (COROUTINE | ITERABLE_COROUTINE):
        around = _around_coroutine
    else:
        around = _around_generator if flags & GENERATOR else _around_call
    return wraps(function)(around(span.again, function))


def _flags(function: Callable[..., Any]) -> int:
    while isinstance(function, partial):
        function = function.func
    return int(getattr(getattr(function, "__code__", None), "co_flags", 0))


def _around_call(again: Callable[[], TimelineSpan], function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        with again():
            return function(*args, **kwargs)

    return call


def _around_coroutine(again: Callable[[], TimelineSpan], function: Callable[..., Any]) -> Callable[..., Any]:
    async def coroutine(*args: Any, **kwargs: Any) -> Any:
        with again():
            return await function(*args, **kwargs)

    return coroutine


def _around_generator(again: Callable[[], TimelineSpan], function: Callable[..., Any]) -> Callable[..., Any]:
    def generator(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        with again():
            return (yield from function(*args, **kwargs))

    return generator


def _around_async_generator(again: Callable[[], TimelineSpan], function: Callable[..., Any]) -> Callable[..., Any]:
    async def generator(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        with again():
            inner = function(*args, **kwargs)
            try:
                value = await anext(inner)
                while True:
                    try:
                        sent = yield value
                    except GeneratorExit:
                        raise
                    except BaseException as error:
                        value = await inner.athrow(error)
                    else:
                        value = await inner.asend(sent)
            except StopAsyncIteration:
                return
            finally:
                await inner.aclose()

    return generator
