"""The configuration and its tables: every key, default, unit and explanation, and all checks of them.

project = check(config, "config/config.yaml", made=lambda path: False)
project.runs                     # {("Carabus", "untrained"): [...], ...}

Every mistake becomes an `InputError` that names the file, the place in it, and the nearest right word. Only
the standard library, PyYAML and pydantic are needed, as Snakemake's own environment may hold little else.
"""
