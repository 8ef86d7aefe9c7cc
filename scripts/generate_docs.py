"""Write the schemas of the configuration and the tables of its manual anew from scripts/sam2pal/config."""

import argparse
import sys
from pathlib import Path

from sam2pal.cli import run
from sam2pal.config.documents import manual, schemas
from sam2pal.io.files import write_if_changed

REPOSITORY = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args()
    readme = REPOSITORY / "config/README.md"
    texts = {REPOSITORY / "workflow/schemas" / name: text for name, text in schemas().items()}
    texts[readme] = manual(readme.read_text(encoding="utf-8"))
    for path, text in texts.items():
        if write_if_changed(path, text):
            print(f"{path.relative_to(REPOSITORY)} was written anew", file=sys.stderr)


if __name__ == "__main__":
    run(main)
