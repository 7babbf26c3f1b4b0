"""A timeline of every test: what it did and when, in all its threads, processes and tasks.

`span`, `instant` and `counter` tell it more; see pytest_timeline.api.

PYTEST_DONT_REWRITE: a traced child imports the package before its pytest could rewrite it.
"""

TYPE_CHECKING = False  # typing's, which every traced child would have to import
if TYPE_CHECKING:
    from pytest_timeline.api import counter, instant, span
    from pytest_timeline.session.fixture import Timeline

__all__ = ["Timeline", "counter", "instant", "span"]


def __getattr__(name: str) -> object:
    """Import what is told by when somebody asks for it."""
    if name == "Timeline":
        from pytest_timeline.session import fixture

        return fixture.Timeline
    if name in __all__:
        from pytest_timeline import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
