"""Small projects that run on Slurm through profiles/slurm."""

import copy
import sys
from pathlib import Path

from running import CONFIG, REPOSITORY, Project, make_project

# one trained round; six photographs a genus make two shards
ONE_ROUND = copy.deepcopy(CONFIG) | {
    "shard_size": 3,
    "rounds": {"trained": {"templates": ["first"], "train": {}}},
}


class SlurmProject(Project):
    """A project whose jobs go to Slurm, by the profile as it is but for shorter waits."""

    def command(self, *arguments: str) -> list[str]:
        snakemake = [sys.executable, "-m", "snakemake", "--directory", str(self.folder)]
        snakemake += ["--snakefile", str(REPOSITORY / "workflow/Snakefile"), "--nocolor"]
        snakemake += ["--profile", str(REPOSITORY / "profiles/slurm")]
        snakemake += ["--workflow-profile", str(REPOSITORY / "profiles/default")]
        waits = ["--slurm-init-seconds-before-status-checks", "3", "--latency-wait", "5"]
        # as on this machine: another number of threads gives other bytes
        threads = ["--set-threads", "train_palindrome=1", "segment_shard=1"]
        return [*snakemake, *waits, *arguments, *threads]


def make_slurm_project(folder: Path, genera: int = 2) -> SlurmProject:
    """One or two genera of two shards each, one trained round."""
    made = SlurmProject(make_project(folder).folder)
    made.write(ONE_ROUND)
    for name in ("genera", "templates"):
        table = folder / f"config/{name}.tsv"
        rows = table.read_text().splitlines(keepends=True)
        kept = [row for row in rows if genera == 2 or not row.startswith("Bus")]
        table.write_text("".join(kept))
    return made
