"""Measure museum specimens after outlining a handful of them.

sam2pal init beetles --photographs photographs --annotations outlines.json
cd beetles
sam2pal run -n          what would be done
sam2pal run             do it; the last lines say where to look
sam2pal status          from another terminal: what runs, waits, failed

sam2pal run ends with exit status 0 if all went well, 1 if something failed, 2 if nothing failed but
photographs could not be read. They are named at the end; warnings do not count.
"""

import argparse
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from sam2pal import __version__
from sam2pal.cli import repository, run
from sam2pal.config.text_files import read_yaml
from sam2pal.io.errors import InputError
from sam2pal.io.progress import SILENT, states

ALONGSIDE = {"-n", "--dry-run", "--dryrun", "--unlock"}
"""Options with which a call does not disturb another one."""
SAID = ("-q", "--quiet", "--verbose", "-p", "--printshellcmds")
"""Options by which the user says how much Snakemake tells."""


def parse() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(
        prog="sam2pal", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"sam2pal {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    of = commands.add_parser("init", help="write the configuration of a new project")
    of.add_argument("folder", type=Path, help="folder of the project, which may be new")
    of.add_argument(
        "--photographs",
        type=Path,
        required=True,
        help="their folder; of several genera, one each in it",
    )
    of.add_argument(
        "--annotations",
        type=Path,
        nargs="+",
        default=[],
        help="files or folders of outlines, of any tool",
    )
    of.add_argument("--genus", help="name of the genus, if it is one (default: that of the folder)")
    of = commands.add_parser(
        "run",
        help="run the workflow in this folder; what follows is passed to Snakemake",
        add_help=False,
    )
    of = commands.add_parser("status", help="what runs, waits and failed in this folder")
    of.add_argument("folder", type=Path, nargs="?", default=Path())
    arguments, more = parser.parse_known_args()
    if more and arguments.command != "run":
        parser.error(f"unrecognized arguments: {' '.join(more)}")
    return arguments, more


def init(arguments: argparse.Namespace) -> None:
    """Look at what there is, and write config/."""
    from sam2pal.dataset import beginning

    photographs = arguments.photographs.expanduser()
    annotations = [path.expanduser() for path in arguments.annotations]
    for path in annotations:
        if not path.exists():
            raise InputError(f"--annotations {path}: there is no such file or folder")
    found = beginning.find_content(photographs, annotations, arguments.genus)
    folder = arguments.folder.expanduser()
    paths = beginning.write_project(folder, found)
    for of in found.genera:
        print(f"{of.name}: {of.photographs} photographs, {len(of.annotated)} of them outlined")
    if found.labels:
        print("structures: " + ", ".join(f"{name} ({n})" for name, n in found.labels.most_common()))
    print("written: " + ", ".join(map(str, paths)))
    for note in found.notes:
        print(f"note: {note}")
    if found.missing:
        raise InputError(
            "before the first run there must be:\n"
            + "\n".join(f"  {line}" for line in found.missing)
        )
    print(f"next: cd {shlex.quote(str(folder))} && {_called()} run -n")


def _called() -> str:
    """How this program can be called from any folder."""
    if shutil.which("sam2pal"):
        return "sam2pal"
    path = Path(sys.argv[0]).resolve()
    return f"{sys.executable} -m sam2pal" if path.suffix == ".py" else shlex.quote(str(path))


def workflow(more: list[str]) -> None:
    """Call Snakemake here, with the profile beside the workflow unless the folder has one."""
    config = Path("config/config.yaml")
    named = _config_files(more)
    for path in named:  # Snakemake ends with a traceback where one is no UTF-8 or no YAML
        read_yaml(path)
    if not config.is_file() and not named:
        raise InputError(
            f"{config.absolute()}: there is no such file. Go to the folder of your project, or begin one: "
            "sam2pal init FOLDER --photographs DIR --annotations FILE"
        )
    try:
        with tempfile.TemporaryFile(dir="."):
            pass
    except OSError as error:
        raise InputError(
            f"{Path.cwd()}: nothing can be written here ({error.strerror}); run in a folder of your own, "
            "the repository may be read-only"
        ) from None
    if any(Path(".snakemake/locks").glob("*")) and not ALONGSIDE.intersection(more):
        _refuse_second()
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--snakefile",
        f"{repository()}/workflow/Snakefile",
    ]
    if not any(word.startswith(SAID) for word in more):
        # else files of jobs hide what matters
        end = more.index("--") if "--" in more else len(more)
        more[end:end] = ["--quiet", "rules", "reason", "host"]
    # Ctrl-C reaches Snakemake too, which must end by itself: killed, it would leave its lock
    signal.signal(signal.SIGINT, lambda *_: None)
    sys.exit(subprocess.call([*command, *more]))


def _refuse_second() -> None:
    """Raises: InputError: another run is going on, or was killed."""
    known = states(Path("logs")).items()
    alive = [name for name, of in known if of["status"] == "running" and of["age"] < SILENT]
    if alive:
        raise InputError(
            f"{Path.cwd()}: another run is going on here ({alive[0]}): see sam2pal status"
        )
    raise InputError(
        f"{Path.cwd()}: another run is going on here, or was killed. If sam2pal status shows none that "
        "runs: sam2pal run --unlock, and then run again; what is finished stays"
    )


def _config_files(words: list[str]) -> list[str]:
    """What follows `--configfile` in a call of Snakemake, up to the next option."""
    files: list[str] = []
    taking = False
    for word in words:
        if word.startswith("-"):
            option, _, value = word.partition("=")
            taking = option in ("--configfile", "--configfiles")
            word = value
        if taking and word:
            files.append(word)
    return files


def program() -> None:
    arguments, more = parse()
    if arguments.command == "init":
        init(arguments)
    elif arguments.command == "run":
        workflow(more)
    else:
        from sam2pal.dataset.status import report

        print(report(arguments.folder))


def main() -> None:
    run(program)


if __name__ == "__main__":
    main()
