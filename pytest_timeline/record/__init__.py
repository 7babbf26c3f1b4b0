"""Inside traced processes: starting the recorder in a family of the spool.

A traced child imports this in its first millisecond, so it imports nothing but os and this package's light modules.
"""

import os

from pytest_timeline import _recorder, spooldir


def start(family: str) -> dict[str, list[str]]:
    """Record into the directory `family`, as the settings beside it say, and return these.

    Raises OSError when the run is over (its spool is gone) or the spool cannot be made, RuntimeError when every
    monitoring tool id is taken.
    """
    settings = spooldir.read_settings(os.path.join(os.path.dirname(family), spooldir.SETTINGS))
    _recorder.start(
        family,
        clock=int(settings["clock"][0]),
        c_calls=settings["c_calls"][0],
        included=settings.get("include", ()),
        excluded=settings.get("exclude", ()),
        machinery=settings.get("machinery", ()),
        args=settings.get("args", ()),
        full=settings["full"] == ["1"],
    )
    if "gc" in settings.get("record", ()):
        _recorder.collections(int(settings["max_instants"][0]))
    return settings
