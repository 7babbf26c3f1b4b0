"""What a started Python does: it works a hundred times, under a name that says who started it, and says what it got."""

import os
import sys


def work(row: str) -> None:
    """Call a function named after `row` a hundred times, and leave this process's pid in ROW.pid."""
    scope: dict = {}
    exec(compile(f"def {row}(number): return number", __file__, "exec"), scope)
    if sum(scope[row](number) for number in range(100)) != 4950:
        raise ArithmeticError
    with open(os.path.join(os.environ.get("PLACE", ""), f"{row}.pid"), "a", encoding="ascii") as file:
        file.write(f"{os.getpid()}\n")


def work_twice(row: str, number: int) -> int:
    work(row)
    return 2 * number


def main() -> None:
    work(sys.argv[1])
    print(sys.argv[1:], flush=True)
    sys.exit(3)


if __name__ == "__main__":
    main()
