"""Text files that people hand in, and their encoding."""

import codecs
from pathlib import Path

from sam2pal.io.errors import InputError


def content_of(path: str | Path) -> bytes:
    """The bytes of a file; InputError if there is no such file, no regular one, or it may not be read."""
    path = Path(path)
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"{path}: this is not a regular file; give the path of one")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such file; correct its path") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error


def utf8(content: bytes, path: str | Path, encoding: str = "utf-8-sig") -> str:
    """The text of a file in UTF-8, or another encoding; InputError names the line that is not."""
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}, line {line}: this is not text in UTF-8; save or export the file as UTF-8"
        ) from error


def wide_encoding(content: bytes) -> str:
    """UTF-16 as Windows writes it, told by its mark or its zero bytes; empty for any other file."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if content[1:2] == b"\0" != content[:1]:
        return "utf-16-le"
    if content[:1] == b"\0" != content[1:2]:
        return "utf-16-be"
    return ""


def decoded(content: bytes) -> tuple[str, str]:
    """A text in UTF-8, UTF-16 or else Windows-1252, and what to note: empty if it is UTF-8."""
    wide = wide_encoding(content)
    if wide:
        return content.decode(wide, errors="replace"), "read as UTF-16"
    try:
        return content.decode("utf-8-sig"), ""
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")
        return text, "not UTF-8, so it was read as Windows-1252; look whether its umlauts are right"
