"""Files that appear whole or not at all."""

import errno
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path

from sam2pal.io.errors import InputError

_UMASK = os.umask(0o022)
os.umask(_UMASK)
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}
_SAID = (
    "No space left",
    "quota exceeded",
    "PytorchStreamWriter failed",
    "unexpected pos",
    "os error 28",
)


def sha256(path: str | Path) -> str:
    """SHA-256 of the bytes of a file, 64 hexadecimal digits; InputError if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


_SAMPLED = (0.5, 0.9, 0.25, 0.75, 0.1)  # places in a file, as shares of its size
_SAMPLE = 4096  # bytes
_THREADS = 8  # that read them


def copies(sizes: Mapping[str, int]) -> list[list[str]]:
    """Groups of files with the same content, each in the order of `sizes`.

    Only files of equal size are read, and further only where all samples so far are equal: photographs
    without compression often have one size. A file that cannot be read is no copy.
    """
    by_size: dict[int, list[str]] = {}
    for path, size in sizes.items():
        by_size.setdefault(size, []).append(path)
    groups = [of for of in by_size.values() if len(of) > 1]

    def content(path: str, share: float | None) -> object:
        try:
            if share is None:
                return sha256(path)
            with open(path, "rb") as file:
                file.seek(max(0, int(share * sizes[path]) - _SAMPLE))
                return file.read(_SAMPLE)
        except (OSError, InputError):
            return path, share

    with ThreadPoolExecutor(_THREADS) as pool:
        for share in (*_SAMPLED, None):
            read = pool.map(lambda path, at=share: content(path, at), chain.from_iterable(groups))
            apart: dict[tuple[int, object], list[str]] = {}
            for number, group in enumerate(groups):
                for path in group:
                    apart.setdefault((number, next(read)), []).append(path)
            groups = [of for of in apart.values() if len(of) > 1]
    return groups


def files_state(path: str | Path) -> str:
    """A hash of names, sizes and times of a file, or of all files of a folder; empty without any."""
    files = [os.fspath(path)]
    if os.path.isdir(path):
        files = sorted(os.path.join(at, name) for at, _, names in os.walk(path) for name in names)
    lines = []
    for file in files:
        with suppress(OSError):  # it is not there
            status = os.stat(file)
            name = os.path.relpath(file, path)
            lines.append(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n")
    return hashlib.sha256("".join(lines).encode(errors="replace")).hexdigest() if lines else ""


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that takes its place when the block ends well.

    The temporary name belongs to this call alone, so two processes that write the same file
    never mix; the suffix is kept because some writers choose the format by it. When the block
    raises, the temporary file is removed and an older `path` is left untouched. Whoever may read new files
    may read this one, whatever a writer says.

    Raises:
        InputError: the disk is full, or the file cannot be written there.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}-{uuid.uuid4().hex[:8]}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        if not temporary.is_dir():
            os.chmod(temporary, 0o666 & ~_UMASK)
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:
        if _is_of_writing(error, temporary, path):
            raise InputError(
                f"{path}: cannot be written ({getattr(error, 'strerror', None) or error}); is the disk "
                "full, or may you not write there? What was there before is untouched"
            ) from error
        raise
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _is_of_writing(error: Exception, temporary: Path, path: Path) -> bool:
    if isinstance(error, OSError):
        if error.errno in _FULL:
            return True
        if error.filename is not None:
            return Path(error.filename) in (temporary, path, *path.parents)
    return any(said in str(error) for said in _SAID)


def set_aside(path: str | Path) -> Path:
    """Rename a damaged file or folder, so that it is made again and can still be looked at."""
    path = Path(path)
    aside = path.with_name(f"{path.name}.damaged")
    if aside.is_dir() and not aside.is_symlink():
        shutil.rmtree(aside)
    os.replace(path, aside)
    return aside


def write_text(path: str | Path, text: str) -> None:
    """Write a text file in UTF-8, whole or not at all."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_if_changed(path: str | Path, text: str) -> bool:
    """Write `text` unless the file already holds exactly it; say whether it was written.

    An untouched file keeps its modification time, so nothing that reads it runs again.
    """
    path = Path(path)
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    write_text(path, text)
    return True
