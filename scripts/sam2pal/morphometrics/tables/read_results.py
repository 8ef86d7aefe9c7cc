"""Read a table of results with names as text, so that specimen 0160 stays 0160.

from read_results import read_results
table = read_results("measurements.csv")
"""

from pathlib import Path

import pandas as pd


def read_results(path):
    """A table of this folder as a DataFrame; columns.tsv says which columns are text."""
    path = Path(path)
    columns = pd.read_csv(path.with_name("columns.tsv"), sep="\t", dtype=str)
    text = columns.loc[(columns["table"] == path.stem) & (columns["type"] == "text"), "column"]
    names = [*text, "genus", "round", "specimen"]
    return pd.read_csv(path, dtype=dict.fromkeys(names, str), keep_default_na=False, na_values=[""])
