"""What the `.pth` line imports in a child of a traced process: starts the recorder there.

A child that cannot be recorded runs as if nobody had asked: nothing is said, nothing is raised. An import happens
once, so a second `.pth` line (a venv has its site-packages read twice) does nothing.
"""

try:
    import os

    from pytest_timeline import _recorder, record, spooldir

    if not _recorder.active():
        record.start(os.environ[spooldir.ENVIRONMENT])
except BaseException:  # SystemExit would end the interpreter, anything else print a traceback at every start
    pass
