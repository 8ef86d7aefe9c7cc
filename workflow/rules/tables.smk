# The tables and figures of all genera and all rounds.


# The report carries the short ones; the long ones have a row per specimen.
LONG = ("evaluation", "morphometrics")
TOLD = "<results>/tables/.told"
# The report opens with the first category by name.
FIRST = "Begin here"

FOLDER = shlex.quote(place("<results>/tables"))

# What the four rules here and review_index give their scripts, in this order; so does the handler of a call that failed.
ARGUMENTS = {
    "aggregate": "--options {input.options} --expected {params.expected:q} --metadata {params.metadata:q}"
    f" {'--long-csv ' * CONFIG.long_csv}{{params.specimens}} --left-out {{input.left_out}} --summary {{output.summary}} --output-folder {FOLDER}",
    "summarize_morphometrics": "--options {input.options} --tables {input.morphometrics}"
    " --evaluation {input.evaluation} --left-out {input.left_out} --compare {input.morphometrics} --against {input.truth}"
    f" --output-folder {FOLDER}",
    "plot_evaluation": "--options {input.options}" f" --tables {FOLDER} --output {{output}}",
    "plot_morphometrics": "--options {input.options} --tables {input.morphometrics}"
    " --evaluation {input.evaluation} --left-out {input.left_out} --pairs {input.pairs} --output {output}",
    "review_index": "--runs {params.runs} --output {output.page}",
}


rule aggregate:
    input:
        options=f"{OPTIONS}/aggregate.json",
        evaluation=collect("<results>/{run}/evaluation.csv", run=RUNS),
        morphometrics=collect("<results>/{run}/morphometrics.parquet", run=RUNS),
        left_out=LEFT_OUT,
    output:
        tables=[
            (
                report(
                    table,
                    category="Tables",
                    labels={"table": Path(table).stem},
                    caption="../report/tables.rst",
                )
                if table.endswith(".csv") and Path(table).stem not in LONG
                else table
            )
            for table in TABLES
        ],
        summary=shown("<results>/summary.txt", FIRST, table="what there is, what to look at"),
        complete=touch(COMPLETE),
    log:
        "<logs>/aggregate.log",
    conda:
        "../../envs/light.yaml"
    params:
        program=program("aggregate"),
        expected=json.dumps(RUNS),
        metadata=METADATA,
        specimens=(
            f"--specimen-table {shlex.quote(CONFIG.specimen_table)}"
            if CONFIG.specimen_table
            else ""
        ),
    shell:
        f"{{params.program}} {ARGUMENTS['aggregate']} --progress {{log}}.state > {{log}} 2>&1"


# What a call ends with is told by the handler of its success, which Snakemake calls only if there was a job to do.
rule tell:
    input:
        rules.aggregate.output.summary,
    output:
        touch(TOLD),
    localrule: True


# Over all genera: a row per specimen, a summary, and how well predicted masks measure.
rule summarize_morphometrics:
    input:
        options=f"{OPTIONS}/summarize_morphometrics.json",
        morphometrics="<results>/tables/morphometrics.parquet",
        evaluation="<results>/tables/evaluation.csv",
        left_out="<results>/tables/leave_one_out.csv",
        truth=TRUTH_MEASURED,
    output:
        summary=shown(
            "<results>/tables/morphometrics_summary.csv",
            "Measurements",
            "All genera",
            table="summary by genus",
        ),
        publication=shown(
            "<results>/tables/publication.csv",
            "Measurements",
            "All genera",
            table="summary for a publication",
        ),
        concordance=shown(
            "<results>/tables/morphometrics_concordance.csv",
            "Measurements",
            "Predicted against drawn masks",
            table="concordance, bias, limits of agreement",
        ),
        short=shown("<results>/tables/measurements.csv", FIRST, table="measurements"),
        guide=collect(
            "<results>/tables/{name}", name=["columns.tsv", "read_results.py", "read_results.R"]
        ),
        wide="<results>/tables/morphometrics_wide.csv",
        pairs="<results>/tables/morphometrics_pairs.csv",
        parquet=collect(
            "<results>/tables/morphometrics_{name}.parquet",
            name=["summary", "concordance", "wide", "pairs"],
        ),
        short_parquet="<results>/tables/measurements.parquet",
    log:
        "<logs>/summarize_morphometrics.log",
    conda:
        "../../envs/light.yaml"
    params:
        program=program("summarize_morphometrics"),
    shell:
        f"{{params.program}} {ARGUMENTS['summarize_morphometrics']} --progress {{log}}.state > {{log}} 2>&1"


rule plot_morphometrics:
    input:
        options=f"{OPTIONS}/plot_morphometrics.json",
        morphometrics="<results>/tables/morphometrics.parquet",
        evaluation="<results>/tables/evaluation.csv",
        left_out="<results>/tables/leave_one_out.csv",
        pairs="<results>/tables/morphometrics_pairs.csv",
    output:
        distributions=shown(
            "<results>/plots/morphometrics_distributions.svg",
            FIRST,
            figure="distributions by genus",
        ),
        allometry=shown(
            "<results>/plots/morphometrics_allometry.svg",
            "Measurements",
            "All genera",
            figure="allometry",
        ),
        agreement=shown(
            "<results>/plots/morphometrics_concordance.svg",
            "Measurements",
            "Predicted against drawn masks",
            figure="predicted against drawn",
        ),
        slopes=shown(
            "<results>/tables/morphometrics_allometry.csv",
            "Measurements",
            "All genera",
            table="slopes of allometries",
        ),
        parquet="<results>/tables/morphometrics_allometry.parquet",
    log:
        "<logs>/plot_morphometrics.log",
    conda:
        "../../envs/light.yaml"
    params:
        program=program("plot_morphometrics"),
    shell:
        f"{{params.program}} {ARGUMENTS['plot_morphometrics']} > {{log}} 2>&1"


rule plot_evaluation:
    input:
        options=f"{OPTIONS}/plot_evaluation.json",
        tables=collect(
            "<results>/tables/evaluation_{name}.csv",
            name=["summary", "rounds", "reliability"],
        ),
    output:
        structures=shown(
            "<results>/plots/iou_by_structure.svg",
            "Masks against truth",
            figure="IoU by structure and round",
        ),
        genera=shown(
            "<results>/plots/iou_by_genus.svg",
            "Masks against truth",
            figure="IoU by genus and structure",
        ),
        rounds=shown(
            "<results>/plots/change_between_rounds.svg",
            "Masks against truth",
            figure="change between rounds",
        ),
        reliability=shown(
            "<results>/plots/reliability.svg", "Masks against truth", figure="IoU by confidence"
        ),
    log:
        "<logs>/plot_evaluation.log",
    conda:
        "../../envs/light.yaml"
    params:
        program=program("plot_evaluation"),
    shell:
        f"{{params.program}} {ARGUMENTS['plot_evaluation']} > {{log}} 2>&1"
