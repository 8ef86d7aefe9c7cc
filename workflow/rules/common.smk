# Everything the rules share: the checked configuration, and functions from wildcards to files and parameters.
import atexit
import csv
import functools
import json
import re
import shlex
import sys
from pathlib import Path

from snakemake.logging import logger

from sam2pal import (
    dataset,
    evaluation,
    model,
    morphometrics,
    research,
    review,
    segmentation,
    training,
)
from sam2pal.config.checking import cut
from sam2pal.config.fields import machine_fields
from sam2pal.config.project import check
from sam2pal.config.rounds import CORRECTIONS
from sam2pal.config.stages import as_given, stage_options, write_options
from sam2pal.config.tables import AnnotationSet
from sam2pal.evaluation.columns import COLUMNS as SCORES
from sam2pal.evaluation.damaged import set_aside_damaged
from sam2pal.images.folder import Folder
from sam2pal.io.errors import InputError
from sam2pal.io.files import files_state
from sam2pal.morphometrics.measures.checking import check_structures
from sam2pal.morphometrics.tables.short import taken

# Under this folder the workflow draws specimens itself (rules/demo.smk), of these genera and body plans.
DEMO = "resources/demo/"
made = lambda path: path.startswith(DEMO)
DEMO_KINDS = {"Fictocarabus": "ground beetle", "Fictotenebrio": "beetle"}

# A thread of torch that waits for another by spinning starves it where there are fewer free cores than threads, as
# beside other jobs of the same node: six steps of training took over 120 s instead of 30.
shell.prefix("set -euo pipefail; export OMP_WAIT_POLICY=${{OMP_WAIT_POLICY:-passive}}; ")

##### where files are #####

# Rules say <results>, <resources>, <logs> and <benchmarks>: Snakemake puts in its `pathvars`, and a module its prefix.
# Paths that are neither inputs nor outputs are resolved here. What a function returns may become an input of a workflow with
# other pathvars, so it says RESULTS. Files of the user are `local`: they lie where the user says.
PATHVARS, MODIFIER = workflow.pathvars, workflow.modifier.path_modifier
RESULTS = PATHVARS.apply("<results>")


def place(path):
    """Where a file of the rules lies."""
    return PATHVARS.apply(MODIFIER.replace_prefix(path))


# Rules give these paths to the shell as they are. The working directory may be called anything: paths begin below it.
for key in ("<results>", "<resources>", "<logs>", "<benchmarks>"):
    if found := re.search(r"[^\w./+@=-]", place(key)):
        raise WorkflowError(
            f"pathvars (or the prefix of a module): the folder of {key[1:-1]} is '{place(key)}', with '{found[0]}'. "
            "Name it with letters, digits and . _ - + = @ / only."
        )


##### the configuration #####


def own_mappings(config):
    """Take structures and rounds whole from --config, or the last --configfile that has them: Snakemake would merge
    them with those of config/config.yaml, and a user would get the demo's structures beside their own.
    """
    files = [read_mapping(Path(path)) for path in workflow.overwrite_configfiles]
    for own in (*files, workflow.config_settings.config):
        for key in ("structures", "rounds"):
            if key in own:
                config[key] = own[key]


def judged_on(genus):
    """Where the photographs are that people judged: a folder, or the list of the specimens found in trays."""
    if genus.layout == "single":
        return genus.specimens
    return place(f"{RESULTS}/{genus.name}/manifest.tsv")


@functools.lru_cache(maxsize=None)
def judgements(genus, photographs, structures, files):
    """What people said of the specimens of a genus, checked against the photographs as they are."""
    from sam2pal.dataset.corrections import Hashes, read_corrections
    from sam2pal.dataset.photographs import Photographs

    # a demo not yet drawn, or trays not yet searched; of others the check of the tables tells
    if not Path(photographs).exists():
        return []
    hashes = Hashes(HASHES)
    known = Photographs.of_place(photographs)
    found, notes = read_corrections(files, genus, known, structures, hashes)
    hashes.save()
    if notes:
        logger.warning("\n".join([f"Notes on the corrections of {genus}:", *cut(notes)]))
    return found


def judged(project):
    """What people said, by genus."""
    structures = tuple(project.configuration.structures)
    return {
        name: judgements(name, judged_on(project.genera[name]), structures, tuple(files))
        for name, files in project.corrections.items()
    }


def corrected(configuration, genus, name, files):
    """The corrections that serve a round as templates. They are a file of their own, written only if they changed:
    another verdict trains nothing again."""
    path = Path(place(f"{OPTIONS}/corrections/{genus.name}.{name}.json"))
    photographs = judged_on(genus)
    if workflow.is_main_process and not (RUNNING and path.is_file()):
        from sam2pal.dataset.corrections import templates_of, write_templates

        entry = configuration.rounds[name]
        found = judgements(genus.name, photographs, tuple(configuration.structures), tuple(files))
        write_templates(path, templates_of(found, entry.most_accepted if entry.accepted else 0))
    if path.is_file():
        return AnnotationSet(genus.name, CORRECTIONS, str(path), photographs)


def columns_of_results(options, structures):
    """All columns that tables of results can have, once the options of measuring are checked."""
    indices = check_structures(options, structures)
    return {*SCORES, *taken(list(structures), options, indices)}


def check_configuration(config):
    """Check the configuration, the tables it names and the corrections that are there."""
    file = ", ".join(map(str, workflow.overwrite_configfiles)) or "config/config.yaml"
    try:
        own_mappings(config)
        # whether files exist is looked up once, not again in every job
        looked_up = made if workflow.is_main_process else None
        own = {key: value for key, value in config.items() if key != "pathvars"}  # Snakemake's
        written = [place("<results>"), place("<resources>")]
        project = check(own, file, columns_of_results, looked_up, corrected, written)
        if workflow.is_main_process and project.corrections:
            from sam2pal.dataset.corrections import check_genera

            files = {file for of in project.corrections.values() for file in of}
            check_genera(files, project.configuration.corrections, project.genera)
            judged(project)
        return project
    except InputError as error:
        raise WorkflowError(str(error)) from None


# What each stage is given is written there, by the main process.
OPTIONS = "<results>/options"
HASHES = place(f"{OPTIONS}/photographs.json")
TRIALS = "<resources>/trials.json"
RUNNING = any(Path(".snakemake/locks").glob("*"))  # another call
PROJECT = check_configuration(config)
CONFIG = PROJECT.configuration
config.update(as_given(config, CONFIG))  # for the report, which knows no CONFIG
SPECIMEN_TABLE = local(CONFIG.specimen_table) if CONFIG.specimen_table else []

##### what the annotations and the tables of specimens say #####


DRY = workflow.output_settings.dryrun
# Only the main process looks: a million files are not listed again in every job of a cluster.
FOLDERS = {name: Folder(genus.specimens) for name, genus in PROJECT.genera.items()}


def look_into_files():
    """Read every annotation and the specimen table once, and say all that was found together.

    A dry run ends with an error. Else one that concerns all genera does; a genus whose annotations cannot be read
    fails by itself, and the others go on.

    Returns:
        How many templates each set of annotations has.
    """
    from sam2pal.dataset.findings import Findings

    memory = Path(".snakemake/sam2pal/findings.json")
    columns = columns_of_results(CONFIG.measurement, CONFIG.structures)
    findings = Findings(PROJECT, FOLDERS, made, columns, memory)
    if findings.notes:
        shown = findings.notes if DRY else cut(findings.notes)
        logger.warning("\n".join(["Notes on the annotations and tables:", *shown]))
    if findings.errors:
        findings.errors.insert(0, "These files cannot be used:")
    if findings.problems or (DRY and findings.errors):
        raise WorkflowError("\n".join([*cut(findings.problems), *findings.errors]))
    if findings.errors:
        logger.warning("\n".join(findings.errors))
    return findings.drawn


if workflow.is_main_process:
    DRAWN = look_into_files()


def script(name):
    """The path of a script, fetched where the workflow is hosted."""
    path = SCRIPTS / f"{name}.py"
    return str(path if path.is_file() else workflow.source_path(f"../../scripts/{name}.py"))


##### what there is to do #####

if workflow.is_main_process:
    from sam2pal.dataset import plan
    from sam2pal.dataset.trial import Rates, trial

    results = Path(place("<results>"))
    there = plan.work_of_genera(PROJECT, FOLDERS, results, DRAWN)

    def try_model():
        timing = [sys.executable, script("time_model")]
        return trial(CONFIG, Path(place(TRIALS)), timing, logger.info)

    known = plan.rates(
        PROJECT,
        Path(place("<benchmarks>")),
        results,
        try_model if plan.to_compute(there) else Rates,
    )
    described = plan.plan_lines(PROJECT, there, known)
    to_do = plan.plan_text([*described, *plan.of_corrections(PROJECT, judged(PROJECT))])
    if DRY:
        # a dry run lists no job that waits for the listing of specimens: what it ends with counts them
        atexit.register(print, f"\n{to_do}", file=sys.stderr, flush=True)
    else:
        logger.info(to_do)

##### what each stage is given #####

# A file per stage, an input of its rule: what is in it is all of the configuration that the stage depends on, and the
# version of its method. A changed key so runs again exactly what reads it. Snakemake compares inputs by content.
# The files are written here, also by a dry run, but not by the jobs of a cluster, which parse this file too, and not
# while another call is running.
ROOMS = (dataset, evaluation, model, morphometrics, research, review, segmentation, training)
METHODS = {stage: number for room in ROOMS for stage, number in room.METHODS.items()}
STAGES = stage_options(CONFIG, METHODS)
if workflow.is_main_process:
    for note in [] if RUNNING else set_aside_damaged(place(RESULTS), PROJECT.runs):
        logger.warning(note)
    left = write_options(Path(place(OPTIONS)), STAGES | {"configuration": config}, RUNNING)
    if left:
        logger.warning(
            "Another call is running in this folder, or was killed: its options stay as they were, although the "
            f"configuration now says otherwise for {', '.join(left)}. If `sam2pal status` shows no running "
            "call, remove the lock: sam2pal run --unlock"
        )


def program(name, gpu=False):
    """Interpreter and path of a script.

    Snakemake does not compare a parameter that is a function of `resources`: another place of the repository or of
    the environment, and another device, run nothing again.

    Args:
        gpu: of several GPUs each job takes one that is free; Snakemake only counts them.
    """
    python = "python" if workflow.deployment_settings.deployment_method else sys.executable
    names = [name]
    if gpu and CONFIG.device in ("auto", "cuda"):
        names.insert(0, "on_free_gpu")
    return lambda wildcards, resources: shlex.join(
        word for name in names for word in (python, script(name))
    )


def option(name, key):
    """A flag and the input it names, or nothing where there is none."""

    def words(wildcards, input):
        return f"{name} {shlex.quote(str(input.get(key)))}" if input.get(key) else ""

    return words


def machine(options):
    """Flags that say how fast a stage is and not what it computes; not compared, as of `program`."""
    flags = {name: getattr(options, name) for name in machine_fields(type(options))}
    words = [f"--{name.replace('_', '-')} {json.dumps(flags[name])}" for name in flags]
    return " ".join([f"--device {CONFIG.device}", *words])


def segmentation_machine(wildcards, resources):
    return machine(CONFIG.segmentation)


def training_machine(wildcards, resources):
    """Also some minutes before a cluster ends the job, when the training stops to go on later."""
    minutes = resources.get("runtime")
    limit = f" --time-limit {minutes - min(5, minutes / 10):g}" if isinstance(minutes, int) else ""
    return machine(PROJECT.rounds[wildcards.round].train) + limit


##### what there is #####


def long_table(path):
    """A table with a row per specimen, structure and measure: Parquet, which is read here, and CSV if asked for."""
    return [f"{path}.{suffix}" for suffix in ("parquet", *["csv"] * CONFIG.long_csv)]


RUN_FILES = [
    "templates.json",
    "evaluation.csv",
    *long_table("morphometrics"),
    "morphometrics_wide.csv",
    "morphometrics_wide.parquet",
    "measures.tsv",
    "review.html",
    "review.png",
    "next.csv",
    "next",
]
RUNS = [f"{genus}/{name}" for genus, name in PROJECT.runs]
# of each genus, in their order
ROUNDS = {
    of: [name for name in PROJECT.rounds if (of, name) in PROJECT.runs] for of in PROJECT.genera
}
# Without truth the rounds of a genus are compared by outlined specimens that are left out of the templates.
LEFT_OUT = [
    f"<results>/{genus}/{name}/leave_one_out.csv"
    for genus, name in PROJECT.runs
    if not PROJECT.genera[genus].truth and len(ROUNDS[genus]) > 1
]
METADATA = {name: dict(genus.metadata) for name, genus in PROJECT.genera.items() if genus.metadata}
# JSON, in whose texts no brace begins what Snakemake would take for a wildcard
METADATA = re.sub(r"{(?=\s*\w)", r"\\u007b", json.dumps(METADATA))
TRUTH_MEASURED = [
    f"<results>/{name}/truth_morphometrics.parquet"
    for name, genus in PROJECT.genera.items()
    if genus.truth
]
TABLES = [
    f"<results>/tables/{name}.{suffix}"
    for name in (
        "evaluation",
        "evaluation_summary",
        "evaluation_presence",
        "evaluation_rounds",
        "evaluation_calibration",
        "evaluation_reliability",
        "leave_one_out",
        "status",
    )
    for suffix in ("csv", "parquet")
] + long_table("<results>/tables/morphometrics")
# Where the model's weights come from: nowhere if they are bundled, the user's own file, or the one that
# fetch_checkpoint makes.
if CONFIG.model.checkpoint or CONFIG.model.name == "bundled":
    CHECKPOINT = local(CONFIG.model.checkpoint) if CONFIG.model.checkpoint else []
else:
    CHECKPOINT = local(place(f"<resources>/checkpoints/{CONFIG.model.name}.pt"))
MODEL_CONFIG = local(CONFIG.model.config) if CONFIG.model.config else []
COMPLETE = "<results>/tables/.complete"


wildcard_constraints:
    genus="[A-Za-z0-9][A-Za-z0-9_-]*",
    round="[A-Za-z0-9][A-Za-z0-9_-]*",
    shard=r"\d\d\d\d+",


##### files of a genus or a round #####


def shown(path, category, subcategory=None, **labels):
    """A file that the report shows, with the caption of its name."""
    caption = f"../report/{Path(path).stem}.rst"
    return report(path, category=category, subcategory=subcategory, labels=labels, caption=caption)


def genus_of(wildcards):
    try:
        return PROJECT.genera[wildcards.genus]
    except KeyError:
        raise WorkflowError(f"genus '{wildcards.genus}' has no row in {CONFIG.genera}") from None


def drawn(wildcards):
    """What a genus of the demo waits for before it is listed."""
    folder = genus_of(wildcards).specimens
    return local(f"{Path(folder).parent}/truth.json") if folder.startswith(DEMO) else []


def found_specimens(wildcards):
    """Where photographs show many specimens, what was found in them."""
    single = genus_of(wildcards).layout == "single"
    return [] if single else f"{RESULTS}/{wildcards.genus}/specimens.json"


def first_templates(wildcards):
    """The templates of a genus' first round."""
    return f"{RESULTS}/{wildcards.genus}/{ROUNDS[wildcards.genus][0]}/templates.json"


def scale(wildcards):
    value = genus_of(wildcards).pixels_per_mm
    return "" if value is None else f"--pixels-per-mm {value}"


def searched_scales(wildcards):
    genus = wildcards.genus
    return [f"{RESULTS}/{genus}/scale/{shard}.csv" for shard in shards_of(genus)]


def found_scales(wildcards):
    """The scales found in the photographs, where they are looked for."""
    return f"{RESULTS}/{wildcards.genus}/scale.csv" if CONFIG.measurement.seen else []


def truth_of(wildcards):
    """What the table of genera names as truth, of any format that templates may have."""
    truth = genus_of(wildcards).truth
    if truth is None:
        raise WorkflowError(f"genus '{wildcards.genus}' has no truth in {CONFIG.genera}")
    return truth


def converted_truth(wildcards):
    return f"{RESULTS}/{wildcards.genus}/truth.json" if genus_of(wildcards).truth else []


def converted_corrections(wildcards):
    there = wildcards.genus in PROJECT.corrections
    return f"{RESULTS}/{wildcards.genus}/corrections.json" if there else []


def sources_of(wildcards):
    try:
        return PROJECT.runs[wildcards.genus, wildcards.round]
    except KeyError:
        raise WorkflowError(
            f"genus '{wildcards.genus}' has no templates for a round '{wildcards.round}'"
        ) from None


def adapter(wildcards):
    trained = PROJECT.rounds[wildcards.round].train is not None
    return f"{RESULTS}/{wildcards.genus}/{wildcards.round}/adapter" if trained else []


def adapters_of(wildcards):
    """The adapter of a round, then that from which its training started, and so on."""
    name, run = wildcards.round, f"{RESULTS}/{wildcards.genus}"
    while name and PROJECT.rounds[name].train is not None:
        yield f"{run}/{name}/adapter"
        name = PROJECT.rounds[name].init


def other_templates(wildcards):
    """The templates of the other rounds of a genus."""
    others = [name for name in ROUNDS[wildcards.genus] if name != wildcards.round]
    return [f"{RESULTS}/{wildcards.genus}/{name}/templates.json" for name in others]


def corrected_templates(wildcards):
    """The corrections that are templates of any round of a genus; another verdict does not change them."""
    folder = Path(place(f"{OPTIONS}/corrections"))
    runs = [PROJECT.runs[wildcards.genus, name] for name in ROUNDS[wildcards.genus]]
    files = {source.annotations for sources in runs for source in sources}
    return [local(path) for path in sorted(files) if Path(path).parent == folder]


def init_adapter(wildcards):
    init = PROJECT.rounds[wildcards.round].init
    return f"{RESULTS}/{wildcards.genus}/{init}/adapter" if init else []


def shards_of(genus):
    """The shards of a genus, known once its specimens are listed."""
    checkpoints.list_specimens.get(genus=genus)
    manifest = Path(place(f"{RESULTS}/{genus}/manifest.tsv"))
    return shards_in(manifest, manifest.stat().st_mtime_ns)


def manifest(wildcards):
    """The list of a genus' specimens, which is no declared output (see list_specimens)."""
    checkpoints.list_specimens.get(genus=wildcards.genus)
    return f"{RESULTS}/{wildcards.genus}/manifest.tsv"


@functools.lru_cache(maxsize=None)
def shards_in(manifest, mtime_ns):
    try:
        with open(manifest, encoding="utf-8", newline="") as lines:
            rows = csv.reader(lines, delimiter="\t")
            column = next(rows).index("shard")
            return sorted({row[column] for row in rows})
    except (OSError, ValueError, IndexError, StopIteration, csv.Error):
        raise WorkflowError(
            f"{manifest}: damaged list of specimens; run the workflow again"
        ) from None


def earlier_round(genus, name):
    """The round that a round is compared with: the one it starts from, else the last one before it; or None."""
    rounds = ROUNDS[genus]
    before = rounds[: rounds.index(name)]
    return PROJECT.rounds[name].init or (before[-1] if before else None)


def earlier_files(wildcards, *names):
    """Files of the earlier round, and its shards."""
    run = f"{RESULTS}/{wildcards.genus}/{earlier_round(wildcards.genus, wildcards.round)}"
    shards = shards_of(wildcards.genus)
    return [f"{run}/{name}" for name in (*names, *(f"shards/{of}.json" for of in shards))]


def changes(genus, name):
    """changes.csv of a round that is compared with another one."""
    return [f"{RESULTS}/{genus}/{name}/changes.csv"] if earlier_round(genus, name) else []


def predictions(wildcards):
    run = f"{RESULTS}/{wildcards.genus}/{wildcards.round}"
    return [f"{run}/shards/{shard}.json" for shard in shards_of(wildcards.genus)]


def landmarks_of(wildcards):
    """What the table of genera names as landmarks of templates."""
    path = genus_of(wildcards).landmarks
    return local(path) if path else []


def folders_of_rounds(wildcards):
    """The folders of all rounds of a genus."""
    genus = wildcards.genus
    return [place(f"<results>/{genus}/{name}") for name in ROUNDS[genus]]


def left_out(genus, name):
    """leave_one_out.csv of a round that is compared by it."""
    there = f"<results>/{genus}/{name}/leave_one_out.csv" in LEFT_OUT
    return [f"{RESULTS}/{genus}/{name}/leave_one_out.csv"] if there else []


def of_rounds(*names):
    """A function that gives files of all rounds of a genus, by which one of them is chosen, and all its shards."""

    def files(wildcards):
        genus = wildcards.genus
        shards = [f"shards/{shard}.json" for shard in shards_of(genus)]
        for name in ROUNDS[genus]:
            yield from left_out(genus, name)
            yield from (f"{RESULTS}/{genus}/{name}/{file}" for file in (*names, *shards))

    return files


def products_of(genus):
    """A function that gives all files of a genus; one a genus, so that no genus waits for the listing of another."""

    def products(wildcards):
        shards = shards_of(genus)
        if PROJECT.genera[genus].truth:
            yield f"{RESULTS}/{genus}/truth_morphometrics.parquet"
        if genus in PROJECT.corrections:
            yield f"{RESULTS}/{genus}/corrections.json"
        if CONFIG.outlines:
            yield f"{RESULTS}/{genus}/shapes"
        if CONFIG.darwin_core:
            yield f"{RESULTS}/{genus}/darwin_core"
        if CONFIG.measurement.seen:
            yield f"{RESULTS}/{genus}/scale.csv"
            yield from (f"{RESULTS}/{genus}/scale/{shard}" for shard in shards)
        for name in ROUNDS[genus]:
            run = f"{RESULTS}/{genus}/{name}"
            yield from (f"{run}/{file}" for file in RUN_FILES)
            yield from (f"{run}/shards/{shard}.json" for shard in shards)
            yield from (
                f"{run}/{kind}/{shard}" for kind in CONFIG.segmentation.pictures for shard in shards
            )
            yield from changes(genus, name)
            yield from left_out(genus, name)
            if earlier_round(genus, name):
                yield f"{run}/changed_measures.csv"
            if PROJECT.rounds[name].train is not None:
                yield from (f"{run}/train_pool.tsv", f"{run}/adapter")

    return products


##### what has changed outside of Snakemake's sight #####


def folder_state(wildcards):
    """A hash of the photographs of a genus. Only the main process compares it: a million files are not listed again in
    every job of a cluster."""
    if not workflow.is_main_process:
        return ""
    try:
        return FOLDERS[genus_of(wildcards).name].state
    except InputError:
        return ""  # not there: a demo not yet drawn, or a disk that went away, which the script will say


def source_states(wildcards):
    """Hashes of what the annotations say and of the annotated photographs."""
    if not workflow.is_main_process:
        return []
    from sam2pal.dataset.content import content_state

    # not kept between two calls: those of the demo are not there before they are drawn
    return [content_state(source, list(CONFIG.structures)) for source in sources_of(wildcards)]


def state_below(path):
    """A hash of the files of a folder, of which Snakemake sees only the folder; empty of a file, which it sees."""
    return files_state(path) if path and workflow.is_main_process and Path(path).is_dir() else ""


def truth_state(wildcards):
    """That of the truth; its photographs are in the list of specimens."""
    return state_below(truth_of(wildcards))


def landmarks_state(wildcards):
    return state_below(genus_of(wildcards).landmarks)


def pool_manifest(wildcards):
    """What the training pool is drawn from; waits for a listing that is due.

    Where a listing failed, its stamp is missing and waiting for it would draw the pool, and then train, again.
    """
    here = Path(place(f"{RESULTS}/{wildcards.genus}"))
    drawn = (here / wildcards.round / "train_pool.tsv").exists()
    if not drawn or (here / "lists/.listed").exists() or not (here / "manifest.tsv").exists():
        checkpoints.list_specimens.get(genus=wildcards.genus)
    return f"{RESULTS}/{wildcards.genus}/manifest.tsv"
