"""The small project on which the workflow is tested."""

from pathlib import Path

import pytest
from running import Project, make_project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Two genera of six noisy photographs each, with templates for three rounds."""
    return make_project(tmp_path)
