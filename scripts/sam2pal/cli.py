"""What every command-line program of the workflow shares."""

import argparse
import dataclasses
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import TypeVar

import yaml

from sam2pal.config.checking import validated
from sam2pal.config.fields import machine_fields
from sam2pal.io.errors import DamagedError, InputError
from sam2pal.io.files import set_aside

Options = TypeVar("Options")


def repository() -> Path:
    """The folder with workflow/, config/ and profiles/: a clone, or what an installed package brings.

    Raises:
        InputError: the library is used without the workflow.
    """
    here = Path(__file__).resolve().parents[2]
    if (here / "workflow/Snakefile").is_file():
        return here
    try:
        files = metadata.files("sam2-pal") or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.parts[-2:] == ("workflow", "Snakefile"):
            return Path(file.locate()).resolve().parents[1]
    raise InputError(f"{here}: the workflow is not beside the library; install the package anew")


def program(text: str | None) -> argparse.ArgumentParser:
    """The parser of a program whose module says `text`, shown as it is written."""
    form = argparse.RawDescriptionHelpFormatter
    return argparse.ArgumentParser(description=text, formatter_class=form)


def run(main: Callable[[], None]) -> None:
    """Call `main`; print what a user can mend without a traceback, and end with status 1."""
    try:
        main()
    except InputError as error:
        print(f"error: {error}{_mended(error)}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted: run again to go on", file=sys.stderr)
        sys.exit(130)
    except MemoryError as error:
        said = f" ({error})" if str(error) else ""
        print(f"error: there is not enough memory{said}; ask for more", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        if error.filename is None and error.errno is None:
            raise
        where = f"{error.filename}: " if error.filename is not None else ""
        print(f"error: {where}{error.strerror}; remove the cause, and run again", file=sys.stderr)
        sys.exit(1)


def _mended(error: InputError) -> str:
    """Set a damaged file aside that the workflow made, and say so."""
    if not isinstance(error, DamagedError) or not _made(error.path) or not error.path.exists():
        return ""
    return f"; it was set aside as {set_aside(error.path).name}: run the workflow again to write it anew"


def _made(path: Path) -> bool:
    """Whether the workflow made a file: it lies with the options that it writes, or among what it draws."""
    of_results = any((folder / "options/configuration.json").is_file() for folder in path.parents)
    return of_results or path.parts[:1] == ("resources",)


def add_options(parser: argparse.ArgumentParser, *sections: str) -> None:
    """Add `--options`, whose file `config.stages.read_options` reads."""
    parser.add_argument(
        "--options",
        type=Path,
        metavar="FILE",
        help=f"JSON or YAML with some of: {', '.join(sections)}; what it does not say keeps its "
        "default (config/README.md)",
    )


def add_machine(parser: argparse.ArgumentParser, kind: type) -> None:
    """Add a flag for each option of a class that says how fast the program is and not what."""
    for name, field in machine_fields(kind).items():
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=yaml.safe_load, help=field.description
        )


def add_progress(parser: argparse.ArgumentParser) -> None:
    """Add `--progress`, the file that `sam2pal.io.progress.Progress` keeps."""
    parser.add_argument("--progress", type=Path, metavar="FILE", help="file to keep: how far it is")


def with_machine(options: Options, arguments: argparse.Namespace) -> Options:
    """The options with what the flags of `add_machine` say."""
    flags = {name: getattr(arguments, name) for name in machine_fields(type(options))}
    given = {name: value for name, value in flags.items() if value is not None}
    return validated(type(options), dataclasses.asdict(options) | given)
