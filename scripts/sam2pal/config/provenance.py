"""Versions, commit, configuration and hashes of a run: enough to repeat it, without times."""

import hashlib
import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from sam2pal import __version__
from sam2pal.config.model import BUNDLED_WEIGHTS
from sam2pal.io.files import sha256

REPOSITORY = Path(__file__).resolve().parents[3]


def commit(repository: Path = REPOSITORY) -> dict[str, Any]:
    """The commit of the workflow, and whether its files differ from it.

    Both `unknown` without git, or where the workflow is no clone but lies within another repository.
    """

    def git(*words: str) -> str:
        command = ["git", "-C", str(repository), *words]
        return subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=60
        ).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() == repository.resolve():
            changed = git("status", "--porcelain", "--", "workflow", "scripts")
            return {"commit": git("rev-parse", "HEAD"), "changed": bool(changed)}
    except (OSError, subprocess.SubprocessError):
        pass
    return {"commit": "unknown", "changed": "unknown"}


def record(
    configuration: Mapping[str, Any],
    options: Mapping[str, Mapping[str, Any]],
    files: Sequence[str] = (),
    weights: str | Path | None = None,
) -> dict[str, Any]:
    """What results/provenance.json holds."""
    text = json.dumps(configuration, sort_keys=True, separators=(",", ":"))
    versions = {one.name.lower(): one.version for one in distributions() if one.name}
    return {
        "workflow": {"version": __version__, **commit()},
        "configuration": configuration,
        "configuration_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "options": options,
        "files_sha256": {str(path): sha256(path) for path in files},
        "model": {
            "name": configuration["model"]["name"],
            "weights_sha256": sha256(weights or BUNDLED_WEIGHTS),
        },
        "seed": configuration["seed"],
        "versions": {"python": platform.python_version(), **versions},
        "machine": {"system": platform.system(), "processor": platform.machine()},
    }
