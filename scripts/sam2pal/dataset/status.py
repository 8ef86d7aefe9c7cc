"""What runs, waits or failed in the folder of a project, as its files say."""

import os
from pathlib import Path

from sam2pal.config.project import check
from sam2pal.config.stages import read_mapping
from sam2pal.dataset import plan
from sam2pal.images.folder import Folder
from sam2pal.io.errors import InputError
from sam2pal.io.progress import SILENT, progress_line, states

_SHOWN = 20


def report(folder: Path, config: str = "config/config.yaml") -> str:
    """The report as text.

    Args:
        folder: where the workflow runs; it becomes the current one.

    Raises:
        InputError: there is no configuration, or it is not sound.
    """
    path = folder / config
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; give the folder of the project")
    os.chdir(folder)
    found = states(Path("logs"))
    groups: dict[str, list[str]] = {"running": [], "silent": [], "failed": []}
    left = 0.0
    for name, state in found.items():
        status = state["status"]
        if status == "running" and state["age"] > SILENT:
            groups["silent"].append(
                f"{name}: {progress_line(state)}; silent for {plan.duration(state['age'])}"
            )
        elif status == "running":
            groups["running"].append(f"{name} ({state['host']}): {progress_line(state)}")
            left = max(left, state["seconds_left"] or 0)
        elif status == "failed":
            groups["failed"].append(f"{name}: {state['error'] or 'killed'} (logs/{name}.log)")
    project = check(read_mapping(Path(config)), config, lambda *_: ())
    folders = {name: Folder(genus.specimens) for name, genus in project.genera.items()}
    known = plan.rates(project, Path("benchmarks"), Path("results"))
    waits = plan.plan_lines(project, plan.work_of_genera(project, folders, Path("results")), known)
    lines = []
    for status, entries in groups.items():
        lines.append(f"{status}: {len(entries) or 'none'}")
        lines += [f"  {entry}" for entry in entries[:_SHOWN]]
        if len(entries) > _SHOWN:
            lines.append(f"  ... and {len(entries) - _SHOWN} more")
    if left:  # of one that has only begun it is not known
        lines.append(f"the longest running job ends in about {plan.duration(left)}")
    lines += ["not done yet:", *(f"  {line}" for line in waits)]
    summary = Path("results/summary.txt")
    if summary.is_file():
        lines.append(f"what there is: {summary}")
    return "\n".join(lines)
