# Everything the rules share: the checked configuration, and functions from wildcards to files and parameters.
import csv
import functools
import hashlib
import json
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import validate

# The library is read from beside the workflow, so a module must be a local copy of the repository:
# Snakemake can fetch single files from a hosting service, but not a package and its weights.
if not workflow.current_basedir.is_local:
    raise WorkflowError(
        "SAM2-PAL cannot be used directly from a hosting service: clone the repository, and give the "
        "path of its workflow/Snakefile to the module."
    )
SCRIPTS = (
    Path(workflow.current_basedir.get_path_or_uri(secret_free=True)) / "../../scripts"
).resolve()
if str(SCRIPTS) not in sys.path:
    sys.path.insert(0, str(SCRIPTS))

from sam2pal import config as configuration
from sam2pal.io.errors import InputError

# Under this folder the workflow draws specimens itself (rules/demo.smk), of these genera and body plans.
DEMO = "resources/demo/"
DEMO_KINDS = {"Fictocarabus": "ground beetle", "Fictotenebrio": "beetle"}

# Snakemake does not see that a script or the library changed. Whoever changes what a stage computes, a default
# of its options included, raises its number, and all results of that stage are computed again.
METHOD = {
    "draw": 2,
    "convert": 2,
    "list": 1,
    "pool": 1,
    "train": 8,
    "segment": 3,
    "draw_masks": 1,
    "evaluate": 1,
    "measure": 5,
    "review": 2,
    "aggregate": 1,
    "summarize": 2,
    "plot": 1,
}
# Snakemake compares the values of a rule's parameters as a set, without their names: a seed that becomes 2 would go
# unnoticed beside another parameter that is 2.
METHOD = {stage: f"{stage} {number}" for stage, number in METHOD.items()}

# A thread of torch that waits for another by spinning starves it where there are fewer free cores than threads, as
# beside other jobs of the same node: six steps of training took over 120 s instead of 30.
shell.prefix("set -euo pipefail; export OMP_WAIT_POLICY=${{OMP_WAIT_POLICY:-passive}}; ")

##### the configuration #####


def as_json(value):
    """A parameter. Each rule is given only the part of the configuration it depends on, so that a changed key
    runs again exactly what depends on it."""
    return json.dumps(value, separators=(",", ":"))


def own_mappings(config):
    """Take structures and rounds whole from the last --configfile that has them: Snakemake would merge them
    with those of config/config.yaml, and a user would get the demo's structures beside their own.
    """
    from snakemake.common.configfile import load_configfile

    for path in workflow.overwrite_configfiles:
        own = load_configfile(path)
        for key in ("structures", "rounds"):
            if key in own:
                config[key] = own[key]


def check_configuration(config):
    """Validate the configuration and the tables it names; return the tables."""
    own_mappings(config)
    file = ", ".join(map(str, workflow.overwrite_configfiles)) or "config/config.yaml"
    try:
        # whether files exist is looked up once, not again in every job
        made = (lambda path: path.startswith(DEMO)) if workflow.is_main_process else None
        project = configuration.check(config, SCHEMA, file, made)
    except InputError as error:
        raise WorkflowError(str(error)) from None
    # The same schema has been checked, but in words that name the file and the nearest key. Not with the defaults
    # of `validate`: it would also fill in those of a round's `train`, which overrides `training`.
    validate(config, "../schemas/config.schema.yaml", set_default=False)
    return project


# Options that say how fast and not what: changing one of these computes nothing again.
MACHINE = (
    "batch_size",
    "decode_threads",
    "checkpoint_minutes",
    "micro_batch",
    "checkpoint_attention",
    "keep_megabytes",
)


def options_of(section, wildcards=None, leave_out=()):
    """The options of a section that are not at their defaults; a round's `train` overrides `training`."""
    options = config[section]
    if section == "training":
        options = {**options, **PROJECT.rounds[wildcards.round].train}
    options = configuration.given(options, SCHEMA, section)
    return as_json(
        {
            key: value
            for key, value in options.items()
            if key not in ("pool_size", "pictures", *leave_out)
        }
    )


def method(section, wildcards=None):
    """The options that are compared with those of the last time."""
    return options_of(section, wildcards, MACHINE)


def structures(*keys):
    """The structures, in their order, with only `keys` of what is said of them."""
    entries = {
        name: configuration.given(entry, SCHEMA, "structure")
        for name, entry in config["structures"].items()
    }
    return as_json(
        {name: {key: entry[key] for key in keys if key in entry} for name, entry in entries.items()}
    )


with open(workflow.source_path("../schemas/config.schema.yaml")) as schema:
    import yaml

    SCHEMA = yaml.safe_load(schema)

PROJECT = check_configuration(config)
RUN_FILES = [
    "templates.json",
    "evaluation.csv",
    "morphometrics.csv",
    "morphometrics.parquet",
    "morphometrics_wide.csv",
    "morphometrics_wide.parquet",
    "measures.tsv",
    "review.html",
    "review.png",
]
RUNS = [f"{genus}/{name}" for genus, name in PROJECT.runs]
METADATA = {name: dict(genus.metadata) for name, genus in PROJECT.genera.items() if genus.metadata}
TRUTH_MEASURED = [
    f"results/{name}/truth_morphometrics.csv"
    for name, genus in PROJECT.genera.items()
    if genus.truth
]
TABLES = [
    f"results/tables/{name}.{suffix}"
    for name in (
        "evaluation",
        "evaluation_summary",
        "evaluation_presence",
        "evaluation_rounds",
        "evaluation_calibration",
        "evaluation_reliability",
        "morphometrics",
        "status",
    )
    for suffix in ("csv", "parquet")
]
# What builds the model; where its weights come from is the checkpoint's business: none if they are bundled, the
# user's own file, or the one that fetch_checkpoint makes.
MODEL = {key: config["model"][key] for key in ("name", "image_size", "config", "sha256")}
if MODEL["name"] == "bundled" and not (config["model"]["checkpoint"] or MODEL["sha256"]):
    # other weights are another model: what was made with the old ones is made again
    weights = SCRIPTS / "sam2pal/model/bundled/weights.safetensors"
    MODEL["sha256"] = (
        hashlib.sha256(weights.read_bytes()).hexdigest() if weights.is_file() else None
    )
MODEL = as_json(MODEL)
if config["model"]["checkpoint"] or config["model"]["name"] == "bundled":
    CHECKPOINT = config["model"]["checkpoint"] or []
else:
    CHECKPOINT = f"resources/checkpoints/{config['model']['name']}.pt"
COMPLETE = "results/tables/.complete"


wildcard_constraints:
    genus="[A-Za-z0-9][A-Za-z0-9_-]*",
    round="[A-Za-z0-9][A-Za-z0-9_-]*",
    shard=r"\d\d\d\d+",


##### how rules call scripts #####


def command(name, section=None, device=False, **files):
    """The start of a command line: interpreter, script, and all that is not compared.

    As the function depends on `input`, Snakemake leaves its value out when it looks for changed parameters. So
    another device, another place of the repository or of the environment run nothing again.

    Args:
        section: of the configuration, for --options.
        device: whether to give --device.
        files: flags of inputs that may be missing, by the name of the input.
    """
    python = "python" if workflow.deployment_settings.deployment_method else sys.executable
    start = [python, f"{SCRIPTS / name}.py"]
    if device:
        # of several GPUs each job takes one that is free; Snakemake only counts them
        several = config["device"] in ("auto", "cuda")
        start = [*([python, f"{SCRIPTS}/on_free_gpu.py"] if several else []), *start]
        start += ["--device", config["device"]]

    def words(wildcards, input):
        given = [
            word for key, flag in files.items() if input.get(key) for word in (flag, input.get(key))
        ]
        options = ["--options", options_of(section, wildcards)] if section else []
        return shlex.join([*start, *given, *options])

    return words


def time_limit(wildcards, resources):
    """--time-limit, some minutes before a cluster ends the job; not compared, as it depends on `resources`."""
    minutes = resources.get("runtime")
    return f"--time-limit {minutes - min(5, minutes / 10):g}" if isinstance(minutes, int) else ""


##### files of a genus or a round #####


def genus_of(wildcards):
    try:
        return PROJECT.genera[wildcards.genus]
    except KeyError:
        raise WorkflowError(f"genus '{wildcards.genus}' has no row in {config['genera']}") from None


def drawn(wildcards):
    """What a genus of the demo waits for before it is listed."""
    folder = genus_of(wildcards).specimens
    return f"{Path(folder).parent}/truth.json" if folder.startswith(DEMO) else []


def scale(wildcards):
    value = genus_of(wildcards).pixels_per_mm
    return "" if value is None else f"--pixels-per-mm {value}"


def final_round(flag):
    """The round of the measurements that are the result, if the configuration chooses it."""
    chosen = f" {flag} {config['final_round']}" if config["final_round"] else ""
    return f"--rounds {shlex.quote(as_json(list(PROJECT.rounds)))}{chosen}"


def truth_of(wildcards):
    """What the table of genera names as truth, of any format that templates may have."""
    truth = genus_of(wildcards).truth
    if truth is None:
        raise WorkflowError(f"genus '{wildcards.genus}' has no truth in {config['genera']}")
    return truth


def converted_truth(wildcards):
    return f"results/{wildcards.genus}/truth.json" if genus_of(wildcards).truth else []


def sources_of(wildcards):
    try:
        return PROJECT.runs[wildcards.genus, wildcards.round]
    except KeyError:
        raise WorkflowError(
            f"genus '{wildcards.genus}' has no templates for a round '{wildcards.round}'"
        ) from None


def adapter(wildcards):
    trained = PROJECT.rounds[wildcards.round].train is not None
    return f"results/{wildcards.genus}/{wildcards.round}/adapter" if trained else []


def init_adapter(wildcards):
    init = PROJECT.rounds[wildcards.round].init
    return f"results/{wildcards.genus}/{init}/adapter" if init else []


def shards_of(genus):
    """The shards of a genus, known once its specimens are listed."""
    checkpoints.list_specimens.get(genus=genus)
    manifest = Path(f"results/{genus}/manifest.tsv")
    return shards_in(manifest, manifest.stat().st_mtime_ns)


def manifest(wildcards):
    """The list of a genus' specimens, which is no declared output (see list_specimens)."""
    checkpoints.list_specimens.get(genus=wildcards.genus)
    return f"results/{wildcards.genus}/manifest.tsv"


@functools.lru_cache(maxsize=None)
def shards_in(manifest, mtime_ns):
    with open(manifest, encoding="utf-8", newline="") as lines:
        rows = csv.reader(lines, delimiter="\t")
        column = next(rows).index("shard")
        return sorted({row[column] for row in rows})


def predictions(wildcards):
    return [
        f"results/{wildcards.genus}/{wildcards.round}/shards/{shard}.json"
        for shard in shards_of(wildcards.genus)
    ]


def products_of(genus):
    """A function that gives all files of a genus; one a genus, so that no genus waits for the listing of another."""
    rounds = [name for of, name in PROJECT.runs if of == genus]

    def products(wildcards):
        shards = shards_of(genus)
        if PROJECT.genera[genus].truth:
            yield f"results/{genus}/truth_morphometrics.csv"
        for name in rounds:
            run = f"results/{genus}/{name}"
            yield from (f"{run}/{file}" for file in RUN_FILES)
            yield from (f"{run}/shards/{shard}.json" for shard in shards)
            yield from (
                f"{run}/{kind}/{shard}"
                for kind in config["segmentation"].get("pictures", [])
                for shard in shards
            )
            if PROJECT.rounds[name].train is not None:
                yield from (f"{run}/train_pool.tsv", f"{run}/adapter")

    return products


##### what has changed outside of Snakemake's sight #####


def folder_state(wildcards):
    """A hash of the photographs of a genus. Only the main process compares it: a million files are not listed again in
    every job of a cluster."""
    if not workflow.is_main_process:
        return ""
    from sam2pal.dataset import pool

    try:
        return pool.folder_state(genus_of(wildcards).specimens)
    except InputError:
        return ""  # not there: a demo not yet drawn, or a disk that went away, which the script will say


def source_states(wildcards):
    """Hashes of the annotated photographs, and of the annotations where these are a folder."""
    if not workflow.is_main_process:
        return []
    return [configuration.source_state(source) for source in sources_of(wildcards)]


def truth_state(wildcards):
    """A hash of the truth where that is a folder; its photographs are in the list of specimens."""
    genus, truth = genus_of(wildcards), Path(truth_of(wildcards))
    if not workflow.is_main_process or not truth.is_dir():
        return ""
    return configuration.source_state(
        configuration.Source(genus.name, "truth", genus.truth, genus.specimens)
    )


def pool_manifest(wildcards):
    """What the training pool is drawn from; waits for a listing that is due.

    Where a listing failed, its stamp is missing and waiting for it would draw the pool, and then train, again.
    """
    here = Path("results", wildcards.genus)
    drawn = (here / wildcards.round / "train_pool.tsv").exists()
    if not drawn or (here / "lists/.listed").exists():
        checkpoints.list_specimens.get(genus=wildcards.genus)
    return f"results/{wildcards.genus}/manifest.tsv"


def pool_draw(wildcards):
    """How many specimens and by which seed; in one parameter, see METHOD."""
    default = SCHEMA["$defs"]["training"]["properties"]["pool_size"]["default"]
    train = {
        "pool_size": default,
        **config["training"],
        **(PROJECT.rounds[wildcards.round].train or {}),
    }
    return f"--size {train['pool_size']} --seed {config['seed']}"
