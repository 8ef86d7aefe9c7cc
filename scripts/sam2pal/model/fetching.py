"""Checkpoints, downloaded whole or not at all; torch is not needed for it."""

import hashlib
import time
from contextlib import ExitStack
from pathlib import Path

from sam2pal.io.errors import InputError
from sam2pal.io.files import atomic
from sam2pal.io.progress import Progress


def fetch(
    url: str,
    path: str | Path,
    sha256: str | None = None,
    progress: str | Path | None = None,
    timeout: float = 60.0,
    limit: float = 7200.0,
) -> Path:
    """Download `url` to `path`, which appears only when the file is whole and, if known, the right one.

    Args:
        progress: file to keep: how far it is.
        timeout: seconds without a byte from the server after which to give up.
        limit: seconds after which to give up in any case.

    Raises:
        InputError: the server cannot be reached, the transfer was cut or took too long, what came is a
            page or nothing, or the checksum is another.
    """
    import requests  # here, so that segmenting, which asks `is_page`, does not load it

    path, deadline = Path(path), time.monotonic() + limit
    kept = "nothing was kept"
    elsewhere = (
        f"{kept}. Without a connection, copy the file here by other means and name it in "
        "`model: checkpoint`"
    )
    with atomic(path) as temporary:
        digest, start = hashlib.sha256(), b""
        try:
            with (
                ExitStack() as stack,
                requests.get(url, stream=True, timeout=timeout) as response,
                temporary.open("wb") as file,
            ):
                response.raise_for_status()
                size = int(response.headers.get("content-length", 0))
                bar = stack.enter_context(Progress(progress, "MB", size // 10**6))
                for chunk in response.iter_content(2**16):
                    start = start or chunk[:512]
                    digest.update(chunk)
                    file.write(chunk)
                    bar.update(file.tell() // 10**6 - bar.done)
                    if time.monotonic() > deadline:
                        raise InputError(
                            f"{url}: the download failed (not whole after {limit:g} seconds); {elsewhere}"
                        )
        except requests.RequestException as error:  # an address without http:// too
            raise InputError(f"{url}: the download failed ({error}); {elsewhere}") from error
        if not start:
            raise InputError(f"{url}: the server sent an empty file; {elsewhere}")
        if is_page(start):
            raise InputError(
                f"{url}: the server sent a page, not a file: it may ask for a login or be the address of a "
                f"page; {elsewhere}"
            )
        if sha256 and digest.hexdigest() != sha256.lower():
            raise InputError(
                f"{url}: what was downloaded is not the expected file (its SHA-256 is not {sha256}); "
                f"{kept}. Correct `model: sha256`, or try again"
            )
    return path


def is_page(start: bytes) -> bool:
    """Whether a file that begins so is HTML or XML."""
    return start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<"
