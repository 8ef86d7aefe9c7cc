"""Photographs on a server: Snakemake's storage plugins fetch them."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PICTURES = {"a 1.jpg": b"one", "b.jpg": b"two" * 9999}
KEYS = {"access_key": "somebody", "secret_key": "secret"}


@contextmanager
def over_http(folder: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """The address of the pictures, and what Snakemake's environment has to say of the server."""
    for name, content in PICTURES.items():
        (folder / name).write_bytes(content)
    handler = partial(SimpleHTTPRequestHandler, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", {}
        server.shutdown()


@contextmanager
def in_a_bucket(folder: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """The same of a server that speaks S3."""
    pytest.importorskip("snakemake_storage_plugin_s3", reason="Snakemake's plugin for S3 is absent")
    moto = pytest.importorskip("moto.server", reason="moto, a server for S3, is absent")
    import boto3  # which the plugin needs

    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    keys = dict(zip(("aws_access_key_id", "aws_secret_access_key"), KEYS.values(), strict=True))
    client = boto3.client("s3", endpoint_url=address, region_name="us-east-1", **keys)
    client.create_bucket(Bucket="beetles")
    for name, content in PICTURES.items():
        client.put_object(Bucket="beetles", Key=f"carabus/{name}", Body=content)
    settings = KEYS | {"endpoint_url": address}
    yield (
        "s3://beetles/carabus",
        {f"SNAKEMAKE_STORAGE_S3_{key.upper()}": value for key, value in settings.items()},
    )
    server.stop()


@pytest.mark.parametrize("served", [over_http, in_a_bucket])
def test_photographs_on_a_server_are_fetched(tmp_path: Path, served) -> None:
    (tmp_path / "served").mkdir()
    with served(tmp_path / "served") as (place, environment):
        first = "a%201.jpg" if place.startswith("http") else "a 1.jpg"
        (tmp_path / "urls.txt").write_text(f"{place}/{first}\n\n{place}/b.jpg\n")
        command = [sys.executable, "-m", "snakemake", "-s", REPOSITORY / "workflow/fetch.smk"]
        command += ["--cores", "1", "--workflow-profile", "none"]
        command += ["--config", "list=urls.txt", "folder=photographs/Carabus"]
        environment = os.environ | environment
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True
        )
    assert done.returncode == 0, done.stderr
    found = {path.name: path.read_bytes() for path in (tmp_path / "photographs/Carabus").iterdir()}
    assert found == PICTURES
