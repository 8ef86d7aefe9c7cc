"""Photographs on a server: Snakemake's storage plugin for HTTP fetches them."""

import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def test_photographs_on_a_server_are_fetched(tmp_path: Path) -> None:
    (tmp_path / "served").mkdir()
    pictures = {"a 1.jpg": b"one", "b.jpg": b"two" * 9999}
    for name, content in pictures.items():
        (tmp_path / "served" / name).write_bytes(content)
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path / "served")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        place = f"http://127.0.0.1:{server.server_port}"
        (tmp_path / "urls.txt").write_text(f"{place}/a%201.jpg\n\n{place}/b.jpg\n")
        command = [sys.executable, "-m", "snakemake", "-s", REPOSITORY / "workflow/fetch.smk"]
        command += ["--cores", "1", "--workflow-profile", "none"]
        command += ["--config", "list=urls.txt", "folder=photographs/Carabus"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        server.shutdown()
    assert done.returncode == 0, done.stderr
    found = {path.name: path.read_bytes() for path in (tmp_path / "photographs/Carabus").iterdir()}
    assert found == pictures
