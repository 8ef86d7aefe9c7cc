"""A hash of the files that a row of templates.tsv names, by which changes are noticed."""

import hashlib
import json
import os
import re
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from sam2pal.config.tables import AnnotationSet

_WORD = re.compile(r"""[^"'\n\t,;]+""")
_STRING = re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)"', re.S)  # of JSON, whose numbers name no file
_FILE_NAME = re.compile(r"[^\s:].*\.[A-Za-z0-9]{2,5}")
_LONGEST = 4096  # characters of a path; what is longer is an image in base64


def source_state(source: AnnotationSet) -> str:
    """A hash of names, sizes and times of a folder of annotations and of the photographs annotated.

    Only photographs that the annotations name count: the folder may hold thousands of others, whose
    coming and going is no reason to convert templates, and then to train, again. The annotations
    themselves do not count if they are one file, which Snakemake compares by its content.
    """
    annotations, photographs = Path(source.annotations), Path(source.photographs)
    if annotations.is_dir():
        files = sorted(_files(annotations))
        stems = {os.path.splitext(name)[0] for name, _ in files}
        named = {
            name: path for name, path in _files(photographs) if os.path.splitext(name)[0] in stems
        }
        texts = [path for _, path in files if path.suffix in (".json", ".csv")]
    else:
        files, named, texts = [], {}, [annotations]
    for path in texts:
        named |= {name: photographs / name for name in _names_in(path)}
    digest = hashlib.sha256()
    for name, path in [*files, *sorted(named.items())]:
        try:
            status = path.stat()
        except OSError:
            continue  # a word that only looks like a file, or one that the conversion will miss
        digest.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode(errors="replace"))
    return digest.hexdigest()


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            yield path.relative_to(folder).as_posix(), path


def _names_in(path: Path) -> set[str]:
    if not path.is_file():  # a pipe would be waited for
        return set()
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return set()
    is_json = text.lstrip()[:1] in ("{", "[")
    found = set()
    for word in (_STRING if is_json else _WORD).finditer(text):  # linear in the length of the text
        start, end = word.span(1 if is_json else 0)
        if end - start <= _LONGEST:
            name = text[start:end].lstrip(" \r:").rstrip("\r")
            if _FILE_NAME.fullmatch(name):
                for spelling in _spellings(name, is_json):
                    found |= {spelling, spelling.rsplit("/", 1)[-1]}
    return found


def _spellings(name: str, is_json: bool) -> set[str]:
    """The ways in which a name may stand on the disk; macOS decomposes letters."""
    if is_json and "\\" in name:
        with suppress(ValueError):
            name = json.loads(f'"{name}"')
    name = name.replace("\\", "/")
    return {name, unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name)}
