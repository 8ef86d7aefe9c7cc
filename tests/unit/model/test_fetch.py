"""fetch: against a server that behaves, and in every way that servers misbehave."""

import hashlib
import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sam2pal.config.model import OFFICIAL, ModelOptions
from sam2pal.config.model import SHA256 as SHA256_OF
from sam2pal.io.errors import InputError
from sam2pal.model.fetching import fetch

CONTENT = bytes(range(256)) * 2000  # half a megabyte
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """The path says how to behave."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/missing":
            return self.send_error(404)
        if self.path == "/broken":
            return self.send_error(503)
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/whole")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        self.send_response(200)
        if self.path == "/chunks-cut":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"%x\r\n" % 4096 + CONTENT[:4096] + b"\r\n")
            self.close_connection = True
            return None
        page = b"\n<!DOCTYPE html><title>Log in</title>" if self.path == "/login" else b""
        if self.path in ("/login", "/empty"):
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            return self.wfile.write(page)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        if self.path == "/cut":
            self.wfile.write(CONTENT[: len(CONTENT) // 2])
            self.close_connection = True
        elif self.path == "/stalled":
            self.wfile.write(CONTENT[: len(CONTENT) // 2])
            self.wfile.flush()
            self.server.over.wait(30)
        elif self.path == "/silent":
            self.server.over.wait(30)
        elif self.path == "/slow":
            for start in range(0, len(CONTENT), len(CONTENT) // 8):
                self.wfile.write(CONTENT[start : start + len(CONTENT) // 8])
                self.wfile.flush()
                time.sleep(0.1)
        elif self.path == "/other":
            self.wfile.write(CONTENT[::-1])
        else:
            self.wfile.write(CONTENT)
        return None

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.over = threading.Event()
    server.handle_error = lambda *_: None  # a client that goes away is what is tested
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.over.set()
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.mark.parametrize("path", ["/whole", "/slow", "/moved"])
@pytest.mark.parametrize("sha256", [SHA256, SHA256.upper(), None])
def test_whole_file(server, tmp_path, path, sha256):
    target = tmp_path / "folder" / "sam.pt"
    fetch(server + path, target, sha256, timeout=10)
    assert target.read_bytes() == CONTENT
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize(
    ("path", "sha256", "expected"),
    [
        ("/cut", SHA256, "the download failed"),
        ("/cut", None, "the download failed"),
        ("/chunks-cut", None, "the download failed"),
        ("/stalled", None, "the download failed"),
        ("/silent", SHA256, "the download failed"),
        ("/missing", None, "404"),
        ("/broken", None, "503"),
        ("/login", None, "the server sent a page"),
        ("/login", SHA256, "the server sent a page"),
        ("/empty", None, "the server sent an empty file"),
        ("/other", SHA256, f"not the expected file \\(its SHA-256 is not {SHA256}\\)"),
    ],
)
@pytest.mark.parametrize("before", [None, b"older"])
def test_misbehaving_server_leaves_nothing(server, tmp_path, path, sha256, expected, before):
    target = tmp_path / "sam.pt"
    if before is not None:
        target.write_bytes(before)
    with pytest.raises(InputError, match=expected) as caught:
        fetch(server + path, target, sha256, timeout=0.3 if path in ("/stalled", "/silent") else 10)
    assert server + path in str(caught.value) and "nothing was kept" in str(caught.value)
    if before is None:
        assert list(tmp_path.iterdir()) == []
    else:
        assert list(tmp_path.iterdir()) == [target]
        assert target.read_bytes() == before


def test_a_download_that_takes_too_long_is_given_up(server, tmp_path):
    with pytest.raises(InputError, match="not whole after 0.2 seconds.*nothing was kept"):
        fetch(f"{server}/slow", tmp_path / "sam.pt", limit=0.2)
    assert list(tmp_path.iterdir()) == []


def test_a_downloaded_file_can_be_read_by_others(server, tmp_path):
    path = fetch(f"{server}/whole", tmp_path / "sam.pt")
    (tmp_path / "usual").write_text("")
    assert path.stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_every_official_checkpoint_has_its_checksum():
    assert SHA256_OF.keys() == OFFICIAL.keys()
    assert len({*SHA256_OF.values()}) == 8
    for checksum in SHA256_OF.values():
        ModelOptions(sha256=checksum)


def test_no_server(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(InputError, match="the download failed.*copy the file here by other means"):
        fetch(f"http://127.0.0.1:{port}/sam.pt", tmp_path / "sam.pt", SHA256, timeout=5)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["127.0.0.1/sam.pt", "http://", "nonsense"])
def test_not_an_address(tmp_path, url):
    with pytest.raises(InputError, match="the download failed") as caught:
        fetch(url, tmp_path / "sam.pt", SHA256)
    assert "SHA-256" not in str(caught.value)  # it is the address that is wrong
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------ the script


@pytest.fixture
def options(tmp_path_factory):
    """A function that writes a file for --options."""

    def write(**values):
        path = tmp_path_factory.mktemp("options") / "options.json"
        path.write_text(json.dumps({"model": {"name": "sam2.1_hiera_tiny", **values}}))
        return path

    return write


def test_script(by_hand, server, options, tmp_path):
    target = tmp_path / "sam.pt"
    done = by_hand(
        "fetch_checkpoint",
        "--options",
        options(url=f"{server}/whole", sha256=SHA256),
        "--output",
        target,
    )
    assert done.code == 0, done.err
    assert target.read_bytes() == CONTENT
    assert f"{server}/whole" in done.out
    assert "%|" not in done.err  # no bar outside of a terminal


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"url": "/cut"}, "the download failed"),
        ({"url": "/whole"}, "not the expected file"),
        ({"url": "/other", "sha256": SHA256}, "not the expected file"),
        ({"name": "bundled"}, "'bundled' is no official model"),
        ({"name": "sam2.1_hira_tiny"}, "did you mean 'sam2.1_hiera_tiny'?"),
    ],
)
def test_script_fails_without_traceback(by_hand, server, options, tmp_path, values, expected):
    if "url" in values:
        values = {**values, "url": server + values["url"]}
    done = by_hand(
        "fetch_checkpoint", "--options", options(**values), "--output", tmp_path / "sam.pt"
    )
    assert done.code == 1
    assert done.err.startswith("error: ") or "\nerror: " in done.err
    assert expected in done.err and "Traceback" not in done.err
    assert list(tmp_path.iterdir()) == []
