"""Names as people spell them."""

import difflib
import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence

_ALIKE = 0.85  # of difflib: `thruth` and `truth` have 0.91
_OWN = ("code",)  # common names of metadata that are alike by chance
_SCALE = re.compile("(px|pix|pixels?)(per|pro|par|por)?(mm|millimet(er|re)s?)")


def composed(name: str) -> str:
    """A name with composed letters (NFC), as tables are read; macOS writes decomposed ones."""
    return unicodedata.normalize("NFC", name)


def folded(name: str) -> str:
    """What a label has in common with others in another case, or with other blanks or `_`."""
    return " ".join(composed(name).replace("_", " ").split()).casefold()


def meant(label: str, names: Iterable[str]) -> str | None:
    """The name that a label means: the same, or else the only one that is alike; None if there is none."""
    for alike in (str, composed, folded):
        same = [name for name in names if alike(name) == alike(label)]
        if len(same) == 1:
            return same[0]
    return None


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint such as ` (did you mean 'head'?)`, or an empty string if nothing is near."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""


def misspelt(columns: Sequence[str], known: Collection[str]) -> list[str]:
    """What is to be said of columns called almost as one of `known`, which would be taken for metadata.

    A known column that is there is meant by no other.
    """
    bare = {_bare(name): name for name in known if name not in columns}
    found = []
    for column in columns:
        name = "pixelspermm" if _SCALE.fullmatch(_bare(column)) else _bare(column)
        words = column.casefold().replace("_", " ").split()
        for close in difflib.get_close_matches(name, bare, n=1, cutoff=_ALIKE):
            if column not in known and name not in _OWN and close not in words:  # as in `truth_by`
                found.append(
                    f"unknown column '{column}': did you mean '{bare[close]}'? Rename it, or, if it is "
                    "metadata, give it a name that is less alike"
                )
    return found


def _bare(name: str) -> str:
    """The letters and digits of a name, in lower case."""
    return "".join(sign for sign in name.casefold() if sign.isalnum())
