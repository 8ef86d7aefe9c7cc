"""Text files that people write: tables, and YAML with stricter checks."""

import json
import re
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode

from sam2pal.io.errors import InputError
from sam2pal.io.text import content_of, utf8

LARGEST = 1 << 20  # bytes of a file
MOST_VALUES = 100_000  # of a file, each counted as often as an alias repeats it
DEEPEST = 40  # keys below keys
_DECIMAL = re.compile("[-+]?(0|[1-9][0-9]*)")


def read_yaml(path: str | Path) -> Any:
    """The content of a YAML or JSON file; InputError also for what YAML lets pass and nobody means."""
    text = read_text(path)
    # the C parser gives the same nodes in a twentieth of the time
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _check(node, str(path))
        # JSON not as YAML, which reads 1e-05 as text
        return json.loads(text) if str(path).endswith(".json") else loader.construct_document(node)
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError) as error:
        reason = " ".join(str(error).split())
        if "single document" in reason:
            reason = "it holds two documents; remove the line --- and what follows"
        mark = getattr(error, "problem_mark", None)
        if mark is not None and "single document" not in str(error):
            raise InputError(
                f"{path}, line {mark.line + 1}, column {mark.column + 1}: this is not YAML: {error.problem}. "
                "Indent with blanks, not tabs; put a blank after a colon; put a text with : or # in it "
                "in quotes"
            ) from error
        raise InputError(f"{path}: cannot be read as JSON or YAML ({reason})") from error
    finally:
        loader.dispose()


def read_text(path: str | Path) -> str:
    """The text of a small file; InputError if it is not a regular one, above `LARGEST`, or not UTF-8."""
    path = Path(path)
    if path.is_file() and (size := path.stat().st_size) > LARGEST:
        raise InputError(f"{path}: {size:,} bytes are more than {LARGEST:,}; is it another file?")
    return utf8(content_of(path), path)


def _check(root: Node, path: str) -> None:
    """Raise an `InputError` for what YAML allows and nobody means."""
    sizes: dict[int, int] = {}
    open_: set[int] = set()

    def size(node: Node, depth: int) -> int:
        where = f"{path}, line {node.start_mark.line + 1}"
        if id(node) in open_:
            raise InputError(f"{where}: an alias (*) lies within what it repeats; remove it")
        if depth > DEEPEST:
            raise InputError(
                f"{where}: more than {DEEPEST} levels of keys or lists; is it another file?"
            )
        if isinstance(node, ScalarNode):
            if node.tag == "tag:yaml.org,2002:int" and not _DECIMAL.fullmatch(node.value):
                raise InputError(
                    f"{where}: YAML takes {node.value} for another number (010 for 8, 1:30 for 90); write a "
                    "whole number in plain digits, or text in quotes"
                )
            return 1
        if id(node) in sizes:
            return sizes[id(node)]
        open_.add(id(node))
        if isinstance(node, MappingNode):
            _check_keys(node, path)
            inner = [one for pair in node.value for one in pair]
        else:
            inner = node.value
        sizes[id(node)] = total = 1 + sum(size(one, depth + 1) for one in inner)
        if total > MOST_VALUES:
            raise InputError(
                f"{where}: aliases (*) repeat it to more than {MOST_VALUES:,} values; write it out"
            )
        open_.discard(id(node))
        return total

    size(root, 0)


def _check_keys(node: MappingNode, path: str) -> None:
    seen: dict[str, int] = {}
    for key, _ in node.value:
        line = key.start_mark.line + 1
        where = f"{path}, line {line}"
        if key.tag == "tag:yaml.org,2002:merge":
            continue
        if not isinstance(key, ScalarNode):
            raise InputError(f"{where}: a key must be text, found a list or keys and values")
        if key.tag != "tag:yaml.org,2002:str":
            kind = key.tag.rsplit(":", 1)[-1]
            raise InputError(
                f"{where}: YAML reads the key {key.value} as {_KINDS.get(kind, kind)}, not as text; "
                f'write it in quotes: "{key.value}"'
            )
        if key.value in seen:
            raise InputError(
                f"{where}: the key '{key.value}' is also in line {seen[key.value]}, and YAML would use only "
                "the last one; remove one"
            )
        seen[key.value] = line


_KINDS = {
    "bool": "true or false",
    "int": "a number",
    "float": "a number",
    "null": "nothing",
    "timestamp": "a date",
}
