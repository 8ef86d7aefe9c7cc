"""From the tidy file to Markdown: means, paired changes with intervals, and what training costs."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sam2pal.evaluation.bootstrap import Means, crossed_means, generator
from sam2pal.research.benchmark.protocol import Protocol

_SHOWN = ("iou", "boundary_f")
FEWEST = 5  # draws: of fewer no interval is given, as they say too little of other draws


@dataclass(frozen=True)
class Table:
    """The scores of one variant.

    Attributes:
        values: [R, n, K, M] runs, specimens, structures, measures; NaN where truth says nothing.
        draws, seeds: of the runs [R].
    """

    values: NDArray[np.float64]
    draws: NDArray[np.int64]
    seeds: NDArray[np.int64]

    def against(self, other: "Table") -> "Table | None":
        """The changes from `other` to this, paired by draw, seed and specimen; None without a pair.

        A variant without seeds (untrained) is paired with every seed.
        """
        single = len(set(other.seeds.tolist())) == 1
        where = {
            (draw, None if single else seed): i
            for i, (draw, seed) in enumerate(zip(other.draws, other.seeds, strict=True))
        }
        pairs = [
            (i, where[key])
            for i, (draw, seed) in enumerate(zip(self.draws, self.seeds, strict=True))
            if (key := (draw, None if single else seed)) in where
        ]
        if not pairs:
            return None
        mine, theirs = (list(part) for part in zip(*pairs, strict=True))
        return Table(self.values[mine] - other.values[theirs], self.draws[mine], self.seeds[mine])


def report(protocol: Protocol, runs: pd.DataFrame, scores: pd.DataFrame) -> str:
    """Markdown of the runs given, all of which are of this protocol."""
    lines = ["# Benchmark", "", *_preface(protocol, runs)]
    for (collection, templates), part in runs.groupby(["collection", "templates"], sort=False):
        own = scores[(scores["collection"] == collection) & (scores["templates"] == templates)]
        lines += _section(protocol, str(collection), int(templates), part, own)
    return "\n".join(lines) + "\n"


def _preface(protocol: Protocol, runs: pd.DataFrame) -> list[str]:
    models = ", ".join(sorted(set(runs["model"].str[:12])))
    # of a copy that is no repository no commit is known
    commits = ", ".join(sorted(set(runs["commit"].dropna().astype(str).str[:10]))) or "not known"
    planned = sum(1 for _ in protocol.runs())
    options = protocol.evaluation
    return [
        f"Model `{protocol.model.name}` (weights {models}), commit {commits}; {len(runs)} of {planned} runs.",
        "",
        "Templates are drawn from the specimens with an even number; scored are all other specimens with an "
        f"{protocol.score} one, at the photographs' own size. The mean over structures is the mean of each "
        f"structure's mean over specimens. Intervals of {options.level:.0%} resample draws of templates and "
        "specimens together and are widened for the number of draws (fewer than "
        f"{FEWEST} draws have none); changes are paired by draw and "
        "specimen, in points (hundredths) of IoU; **bold**: the interval is clear of zero. Seconds are those "
        "of the processor on a CPU, otherwise those of the clock.",
        "",
    ]


def _section(
    protocol: Protocol, collection: str, templates: int, runs: pd.DataFrame, scores: pd.DataFrame
) -> list[str]:
    # of all variants alike: with `score: even` each draw leaves out its own templates
    scored = sorted(scores["specimen"].unique())
    tables = {
        name: _table(
            protocol, runs[runs["variant"] == name], scores[scores["variant"] == name], scored
        )
        for name in protocol.variants
        if (runs["variant"] == name).any()
    }
    structures = [structure.name for structure in protocol.structures]
    untrained = tables.get(protocol.untrained)
    what = "one template" if templates == 1 else f"{templates} templates"
    lines = [
        f"## {collection}, {what}",
        "",
        f"{len(scored)} specimens.",
        "",
        "| variant | draws x seeds | IoU | change | boundary F | seconds of training "
        "| runs that kept the training |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, table in tables.items():
        part = runs[runs["variant"] == name]
        means = _means(protocol, table)
        change = table.against(untrained) if untrained and name != protocol.untrained else None
        trained = protocol.variants[name].training is not None
        cells = [
            name,
            f"{len(set(table.draws.tolist()))} x {len(set(table.seeds.tolist()))}",
            f"{means.mean[-1, 0]:.3f}",
            _change(_means(protocol, change), -1, change) if change else "",
            f"{means.mean[-1, 1]:.3f}",
            f"{_seconds(part).mean():.0f}" if trained else "0",
            f"{part['trained_share'].mean():.0%}" if trained else "",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", f"| IoU | {' | '.join(structures)} |", "| --- |" + " --- |" * len(structures)]
    for name, table in tables.items():
        means = _means(protocol, table)
        cells = [f"{value:.3f}" for value in means.mean[:-1, 0]]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    pairs = [(protocol.untrained, name) for name in tables if name != protocol.untrained]
    pairs += [pair for pair in protocol.compare if set(pair) <= set(tables)]
    lines += [
        "",
        f"| change of IoU | runs | all | {' | '.join(structures)} |",
        "| --- | --- | --- |" + " --- |" * len(structures),
    ]
    for before, after in pairs:
        change = tables[after].against(tables[before]) if before in tables else None
        if change is None:
            continue
        means = _means(protocol, change)
        cells = [_change(means, k, change) for k in (-1, *range(len(structures)))]
        lines.append(f"| {after} against {before} | {len(change.draws)} | {' | '.join(cells)} |")
    return [*lines, ""]


def _seconds(runs: pd.DataFrame) -> pd.Series:
    """Of training; a CPU may be shared, so there the clock does not count."""
    return runs["cpu_seconds"].where(runs["device"] == "cpu", runs["seconds"])


def _table(
    protocol: Protocol, runs: pd.DataFrame, scores: pd.DataFrame, specimens: list[str]
) -> Table:
    structures = [structure.name for structure in protocol.structures]
    order = runs.sort_values(["draw", "seed"])
    index = pd.MultiIndex.from_product([specimens, structures], names=["specimen", "structure"])
    values = []
    for _, run in order.iterrows():
        own = scores[(scores["draw"] == run["draw"]) & (scores["seed"] == run["seed"])]
        found = own.set_index(["specimen", "structure"])[list(_SHOWN)].reindex(index)
        values.append(found.to_numpy(float).reshape(len(specimens), len(structures), len(_SHOWN)))
    return Table(
        np.stack(values), order["draw"].to_numpy(np.int64), order["seed"].to_numpy(np.int64)
    )


def _means(protocol: Protocol, table: Table) -> Means:
    options = protocol.evaluation
    rng = generator(protocol.seed, "benchmark")
    return crossed_means(table.values, table.draws, rng, options.replicates, options.level)


def _change(means: Means, structure: int, change: Table) -> str:
    """Points of IoU with the interval, which fewer than `FEWEST` draws do not have."""
    mean, lower, upper = (
        100 * part[structure, 0] for part in (means.mean, means.lower, means.upper)
    )
    if not np.isfinite(mean):
        return ""
    if not np.isfinite(lower) or len(set(change.draws.tolist())) < FEWEST:
        return f"{mean:+.1f}"
    text = f"{mean:+.1f} ({lower:+.1f} to {upper:+.1f})"
    return f"**{text}**" if lower > 0 or upper < 0 else text
