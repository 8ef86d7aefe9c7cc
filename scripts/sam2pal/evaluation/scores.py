"""Collecting evaluation rows for their summaries."""

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sam2pal.evaluation.columns import CONFIDENCES, MEASURES, SCORED, STATUSES
from sam2pal.io import tables
from sam2pal.io.errors import InputError

ALL = "(all)"
"""Stands for all genera, or all structures, together."""

REQUIRED = ("genus", "round", "specimen", "structure", "status")
"""Columns without which a table is no evaluation."""

_COUNTED = {
    "scored": "true_present",
    "missed": "false_absent",
    "false_positive": "false_present",
    "absent_both": "true_absent",
}
PRESENCE = {
    **dict.fromkeys(("genus", "round", "structure"), str),
    **dict.fromkeys(("n_known", *_COUNTED.values()), int),
    **dict.fromkeys([status for status in STATUSES if status not in _COUNTED], int),
}
"""Columns of the table of presence."""


class Scores:
    """What summaries need of evaluation rows, collected from pieces of tables.

    Only rows with scores are kept, with numbers for names: 10^6 rows take about 130 MB.
    """

    def __init__(self, genera: Iterable[str] = (), rounds: Iterable[str] = ()) -> None:
        self.genera, self.rounds = list(genera), list(rounds)
        self.structures: list[str] = []
        self._specimens: dict[tuple[int, str], int] = {}
        self._codes: list[NDArray[np.int32]] = []
        self._values: list[NDArray[np.float64]] = []
        self._counts: dict[tuple[int, int, int], dict[str, int]] = {}

    def add(self, rows: pa.Table) -> None:
        """Take the evaluation rows of a piece of a table."""
        if not len(rows):
            return
        names = (self.genera, self.rounds, self.structures, [*STATUSES])
        codes = np.stack(
            [
                _encode(rows[name].to_pylist(), known)
                for name, known in zip(
                    ("genus", "round", "structure", "status"), names, strict=True
                )
            ],
            axis=1,
        )
        for (*key, status), n in zip(
            *(part.tolist() for part in np.unique(codes, axis=0, return_counts=True)), strict=True
        ):
            counts = self._counts.setdefault(tuple(key), {})
            counts[names[3][status]] = counts.get(names[3][status], 0) + n
        keep = np.isin(codes[:, 3], [STATUSES.index(status) for status in SCORED])
        specimens = rows["specimen"].filter(pa.array(keep)).to_pylist()
        numbers = [
            self._specimens.setdefault(key, len(self._specimens))
            for key in zip(codes[keep, 0].tolist(), specimens, strict=True)
        ]
        codes = codes[keep]
        codes[:, 3] = numbers
        self._codes.append(codes)
        values = np.full((len(rows), len(MEASURES) + len(CONFIDENCES)), np.nan)
        for i, name in enumerate((*MEASURES, *CONFIDENCES)):
            if name in rows.column_names:
                values[:, i] = rows[name].to_numpy()
        self._values.append(values[keep])

    def arrays(self) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Of scored rows: numbers [rows, 4] of genus, round, structure and specimen, and values
        [rows, measures and confidences].

        Raises:
            InputError: a specimen has two rows for a structure in a round.
        """
        if not self._codes:
            return np.zeros((0, 4), np.int32), np.zeros((0, len(MEASURES) + len(CONFIDENCES)))
        codes, values = np.concatenate(self._codes), np.concatenate(self._values)
        self._codes, self._values = [codes], [values]
        _, first = np.unique(codes[:, 1:], axis=0, return_index=True)
        if len(first) < len(codes):
            _, round_, structure, number = np.delete(codes, first, axis=0)[0]
            specimen = list(self._specimens)[number][1]
            raise InputError(
                f"specimen '{specimen}', structure '{self.structures[structure]}' is scored twice "
                f"in the round '{self.rounds[round_]}'; give every evaluation once"
            )
        return codes, values

    def presence(self) -> pa.Table:
        """Rows by status, for each genus, round and structure."""
        rows = []
        for genus, round_, structure in sorted(self._counts):
            counts = self._counts[genus, round_, structure]
            row = {_COUNTED.get(status, status): counts.get(status, 0) for status in STATUSES}
            row["n_known"] = sum(row[name] for name in _COUNTED.values())
            rows.append(
                row
                | {
                    "genus": self.genera[genus],
                    "round": self.rounds[round_],
                    "structure": self.structures[structure],
                }
            )
        return tables.table(rows, PRESENCE)

    def scopes(self) -> Iterator[tuple[str, str, NDArray[np.intp]]]:
        """Genus (all together, then each), round, and the numbers of their rows, which may be none."""
        codes, _ = self.arrays()
        every = np.arange(len(codes))
        of_genus = [(ALL, every)]
        of_genus += [(name, np.flatnonzero(codes[:, 0] == i)) for i, name in enumerate(self.genera)]
        for genus, rows in of_genus:
            for r, round_ in enumerate(self.rounds):
                yield genus, round_, rows[codes[rows, 1] == r]

    def tensor(self, rows: NDArray[np.intp]) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Specimens' numbers [n] and measures [n, K, M] of the chosen rows; NaN where none."""
        codes, values = self.arrays()
        specimens, place = np.unique(codes[rows, 3], return_inverse=True)
        out = np.full((len(specimens), len(self.structures), len(MEASURES)), np.nan)
        out[place, codes[rows, 2]] = values[rows, : len(MEASURES)]
        return specimens, out


def _encode(names: list[str], known: list[str]) -> NDArray[np.int32]:
    """Numbers of names in the order in which they were first met."""
    places = {name: i for i, name in enumerate(known)}
    codes = [places.setdefault(name, len(places)) for name in names]
    known.extend(list(places)[len(known) :])
    return np.array(codes, np.int32)
