"""List the photographs of a genus, check them, and divide them into shards.

Every specimen stays in the shard it was in, so that adding photographs changes only the lists of
the shards that receive them.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from sam2pal.cli import add_options, add_progress, run
from sam2pal.config.stages import read_options
from sam2pal.dataset.manifest import (
    Specimen,
    build_manifest,
    read_list,
    write_list,
    write_shard_lists,
)
from sam2pal.dataset.states import OK
from sam2pal.dataset.trays import windows_of
from sam2pal.io.errors import DamagedError
from sam2pal.io.files import set_aside
from sam2pal.io.progress import Progress


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--genus", required=True, help="name of the genus, for messages")
    parser.add_argument("--folder", required=True, help="folder of its photographs")
    parser.add_argument(
        "--windows", help="specimens.json of find_specimens, where photographs show many specimens"
    )
    add_options(parser, "shard_size")
    add_progress(parser)
    parser.add_argument("--manifest", required=True, help="table to write: every photograph")
    parser.add_argument("--lists", required=True, help="folder to write: a table per shard")
    parser.add_argument(
        "--state",
        help="file that remembers the shards, where the manifest itself may be removed between"
        " two listings; also holds the specimens that are gone",
    )
    arguments = parser.parse_args()

    bars = ExitStack()

    def progress(files: Sequence[Any]) -> Iterator[Any]:
        bar = bars.enter_context(Progress(arguments.progress, "photograph", len(files)))
        return bar.over(files)

    memory = Path(arguments.state or arguments.manifest)
    previous = remembered([memory, Path(arguments.manifest)])
    if previous and arguments.options and _newer(Path(arguments.options), memory):
        # the method may be another one: shards are kept, but photographs are opened again
        previous = [replace(row, width=0) for row in previous]
    with bars:
        manifest = build_manifest(
            arguments.folder,
            previous,
            read_options(arguments.options).shard_size,
            genus=arguments.genus,
            progress=progress,
            windows=windows_of(arguments.windows) if arguments.windows else None,
        )
    # The state first: a listing that is killed in between must not give out a shard twice.
    if arguments.state:
        write_list(arguments.state, [*manifest.specimens, *manifest.removed])
        memory.touch()  # also where nothing changed; see _newer
    shards, written = write_shard_lists(arguments.lists, manifest.specimens)
    write_list(arguments.manifest, manifest.specimens)

    counts = Counter(specimen.status for specimen in manifest.specimens)
    summary = ", ".join(f"{counts[status]} {status}" for status in sorted(counts))
    what = "specimens" if arguments.windows else "photographs"
    print(
        f"{arguments.genus}: {len(manifest.specimens)} {what} ({summary}) in {shards} shards,"
        f" {written} of them changed",
        file=sys.stderr,
    )
    for note in manifest.notes:
        print(f"  {note}", file=sys.stderr)
    for specimen in manifest.specimens:
        if specimen.status != OK:
            print(f"  {specimen.status}: {specimen.path}: {specimen.reason}", file=sys.stderr)


def _newer(path: Path, other: Path) -> bool:
    return other.is_file() and path.stat().st_mtime_ns > other.stat().st_mtime_ns


def remembered(paths: list[Path]) -> list[Specimen] | None:
    """The earlier listing, from the first file that has it; what is damaged is set aside."""
    for path in paths:
        if not path.is_file():
            continue
        try:
            return read_list(path)
        except DamagedError as error:
            aside = set_aside(path).name
            print(f"WARNING: {error}; it was set aside as {aside}", file=sys.stderr)
    return None


if __name__ == "__main__":
    run(main)
