"""The command `sam2pal`."""

import argparse

from sam2pal import __version__
from sam2pal.cli import run


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="sam2pal", description=__doc__)
    parser.add_argument("--version", action="version", version=f"sam2pal {__version__}")
    return parser.parse_args()


def program() -> None:
    parse()


def main() -> None:
    run(program)


if __name__ == "__main__":
    main()
