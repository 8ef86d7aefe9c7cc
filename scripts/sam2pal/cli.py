"""What every command-line program of the workflow shares."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from sam2pal.io.errors import InputError


def run(main: Callable[[], None]) -> None:
    """Call `main`; print an `InputError` without a traceback and end with status 1."""
    try:
        main()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


def options_argument(text: str) -> dict[str, Any]:
    """Parse the value of `--options`: a JSON object, or the path of a JSON or YAML file.

    Raises:
        argparse.ArgumentTypeError: it is neither, or it does not hold a mapping.
    """
    try:
        if text.lstrip().startswith("{"):
            value = json.loads(text)  # not as YAML, which reads 1e-05 as a string
        elif Path(text).is_file():
            value = yaml.safe_load(Path(text).read_text(encoding="utf-8"))
        else:
            raise argparse.ArgumentTypeError(f"{text}: neither a JSON object nor an existing file")
    except (json.JSONDecodeError, yaml.YAMLError) as error:
        raise argparse.ArgumentTypeError(f"{text}: {error}") from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(
            f"{text}: expected keys and values, found {json.dumps(value)}"
        )
    return value
