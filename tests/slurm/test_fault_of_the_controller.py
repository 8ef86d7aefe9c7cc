"""The controller of Slurm is down for a while.

With an accounting database, as on nearly every cluster. Without one, the plugin forgets its jobs when it asks
for their state during the outage, and waits for ever.
"""

import time
from pathlib import Path

import pytest
from cluster import Cluster
from faults import SHARD, assert_same, find, running, undone, until
from projects import SlurmProject
from running import Project

pytestmark = [pytest.mark.slurm, pytest.mark.soak, pytest.mark.slow]


def test_controller_down_for_twenty_seconds(
    undisturbed: Project, cluster_with_database: Cluster, tmp_path: Path
) -> None:
    project = undone(SlurmProject(undisturbed.folder), tmp_path / "project", "segment")
    with running(project, SHARD) as call:
        job = until(lambda: find(project, "segment_shard"), "segmentation")
        job.suspend()
        with cluster_with_database.without_controller():
            time.sleep(20)
        job.resume()
        done = call.end()
    assert done.code == 0, done.text
    assert {job.state for job in cluster_with_database.jobs()} == {"COMPLETED"}
    call = Project(project.folder).run()
    assert call.code == 0, call.text
    assert_same(project, undisturbed)
