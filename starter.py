"""The command line: `drs-waves`, or `python starter.py` in a checkout."""

from typing import NoReturn

from cli.app import run


def main() -> NoReturn:
    """Run the command line and exit with its code."""
    run()


if __name__ == "__main__":
    main()
