"""A Slurm for the tests that need one, and a project that runs on it."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import DATABASE, PACKAGES, PREFIX, Cluster, NoSlurm, install
from filelock import FileLock, Timeout


def bring_up(database: bool) -> Iterator[Cluster]:
    try:
        install(PACKAGES + (DATABASE if database else ()))
        lock = FileLock(Path(tempfile.gettempdir()) / f"{PREFIX}lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise NoSlurm("another test runs its Slurm on this machine") from None
        with lock, tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
            Cluster.remove_leftover()
            # by its real name: what a link points to tells whose it is
            made = Cluster(Path(folder).resolve() / "cluster", database=database)
            made.up()
            try:
                yield made
            finally:
                made.down()
    except NoSlurm as error:
        pytest.skip(f"no Slurm here: {error}")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """One node with two fake GPUs, as root from Debian packages; skips with the reason elsewhere."""
    yield from bring_up(database=False)


@pytest.fixture(scope="module")
def cluster_with_database() -> Iterator[Cluster]:
    """The same with an accounting database; not in a module that uses the other."""
    yield from bring_up(database=True)
