"""The encoding of text files that people hand in."""

import codecs


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
        return text, "this is no UTF-8; read as Windows-1252"
