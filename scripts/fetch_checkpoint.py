"""Download the checkpoint of an official SAM 2 model, whole and verified or not at all."""

import argparse
from pathlib import Path

from sam2pal.cli import add_options, add_progress, run
from sam2pal.config.model import OFFICIAL, SHA256
from sam2pal.config.stages import read_options
from sam2pal.io.errors import InputError
from sam2pal.model.fetching import fetch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser, "model")
    parser.add_argument("--output", type=Path, required=True)
    add_progress(parser)
    arguments = parser.parse_args()
    model = read_options(arguments.options).model
    if model.name not in OFFICIAL:
        raise InputError(
            f"model: '{model.name}' is no official model: there is nothing to download"
        )
    url = model.url or OFFICIAL[model.name][1]
    print(f"downloading {url}")
    fetch(url, arguments.output, model.sha256 or SHA256[model.name], arguments.progress)
    print(f"{arguments.output}: {arguments.output.stat().st_size / 2**20:.0f} MiB")


if __name__ == "__main__":
    run(main)
