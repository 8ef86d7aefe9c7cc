"""The small project on which the workflow is tested."""

from pathlib import Path

import pytest
from running import CONFIG, Project, outline, photographs


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Two genera of six noisy photographs each, with templates for three rounds."""
    genera = ["genus\tspecimens\tpixels_per_mm\tcountry"]
    templates = ["genus\tround\tannotations\tphotographs"]
    for seed, genus in enumerate(("Aus", "Bus")):
        photographs(tmp_path / "data" / genus, range(6), seed)
        for label, numbers in (("first", [0]), ("second", [1, 2])):
            outline(tmp_path / "data" / f"{genus}_{label}.json", numbers)
            templates.append(f"{genus}\t{label}\tdata/{genus}_{label}.json\tdata/{genus}")
        genera.append(f"{genus}\tdata/{genus}\t12.5\tItaly")
    made = Project(tmp_path)
    made.write(CONFIG, "\n".join(genera) + "\n", "\n".join(templates) + "\n")
    return made
