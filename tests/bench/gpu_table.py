"""The results of gpu.py in a folder as Markdown, whatever of them is there; needs nothing but Python.

python tests/bench/gpu_table.py OUT
"""

import json
import sys
from pathlib import Path


def table(folder: Path) -> str:
    """A table for each part, in the order in which they were measured."""
    text = []
    for path in sorted(folder.glob("*.jsonl"), key=lambda path: path.stat().st_mtime):
        (title, *rows) = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        columns = list(dict.fromkeys(key for row in rows for key in row))
        text += [f"## {path.stem}", "", title["title"].strip(), ""]
        if not rows:
            text += ["Nothing was measured: see log.txt.", ""]
            continue
        text += [f"| {' | '.join(columns)} |", "| --- " * len(columns) + "|"]
        text += [f"| {' | '.join(str(row.get(c, '')) for c in columns)} |" for row in rows]
        text += [""]
    return "\n".join(text)


if __name__ == "__main__":
    found = table(Path(sys.argv[1]))
    Path(sys.argv[1], "table.md").write_text(found, "utf-8")
    print(found)
