"""What the configuration files say, checked as a whole before any job starts.

    project = check(config, schema, "config/config.yaml", made=lambda path: False)
    project.runs                     # [("Carabus", "untrained"), ...]

Every mistake becomes an `InputError` that names the file, the place in it, and the nearest right
word. Only the standard library, PyYAML and jsonschema are needed, because Snakemake's own
environment may hold little else.
"""

from sam2pal.config.options import given
from sam2pal.config.prints import source_state
from sam2pal.config.project import Project, Round, check, load
from sam2pal.config.tables import Genus, Source, read_genera, read_sources, read_table
from sam2pal.config.words import schema_problems

__all__ = [
    "Genus",
    "Project",
    "Round",
    "Source",
    "check",
    "given",
    "load",
    "read_genera",
    "read_sources",
    "read_table",
    "schema_problems",
    "source_state",
]
