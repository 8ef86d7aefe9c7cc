"""Write how the results were computed: versions, commit, configuration, model, seed."""

import argparse
import json
from pathlib import Path

from sam2pal.cli import run
from sam2pal.config import provenance
from sam2pal.config.stages import read_mapping
from sam2pal.io.files import write_text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--configuration", type=Path, required=True, help="JSON file")
    add("--options", type=Path, nargs="*", default=[], help="options files of the stages")
    add("--files", nargs="*", default=[], help="tables that belong to the configuration")
    add("--checkpoint", type=Path, help="the model's weights (default: the bundled ones)")
    add("--output", type=Path, required=True)
    arguments = parser.parse_args()
    record = provenance.record(
        read_mapping(arguments.configuration),
        {path.stem: read_mapping(path) for path in arguments.options},
        arguments.files,
        arguments.checkpoint,
    )
    write_text(
        arguments.output, json.dumps(record, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    )


if __name__ == "__main__":
    run(main)
