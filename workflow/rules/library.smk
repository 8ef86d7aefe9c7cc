# Where the library is; and a look at the configuration before Snakemake reads it, which takes the second of two equal
# keys, and ends in a traceback where a file is no text.
import sys
from importlib.util import find_spec
from pathlib import Path

from snakemake.exceptions import WorkflowError

# In a clone the library lies beside the workflow. Where Snakemake fetched the workflow file by file from a hosting
# service, or a package brought it, the library is the installed one.
SCRIPTS = Path(
    workflow.current_basedir.get_path_or_uri(secret_free=True), "../../scripts"
).resolve()
if (SCRIPTS / "sam2pal").is_dir():
    if str(SCRIPTS) not in sys.path:
        sys.path.insert(0, str(SCRIPTS))
elif not find_spec("sam2pal"):
    raise WorkflowError(
        "The Python package of SAM2-PAL is not installed, and the workflow is not used from a clone that has it. "
        "Install it where Snakemake is: pip install git+URL_OF_THE_REPOSITORY@VERSION"
    )

from sam2pal.config.stages import read_mapping
from sam2pal.io.errors import InputError

if workflow.is_main_process and Path("config/config.yaml").exists():
    try:
        if not read_mapping(Path("config/config.yaml")):
            raise InputError("config/config.yaml: it is empty; config/README.md explains its keys")
    except InputError as error:
        raise WorkflowError(str(error)) from None
