"""`python -m pytest_timeline`."""

import sys

from pytest_timeline.cli import main

if __name__ == "__main__":
    sys.exit(main())
