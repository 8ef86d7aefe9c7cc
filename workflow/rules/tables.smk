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
    f" {'--long-csv ' * CONFIG.long_csv}{{params.specimens}} --summary {{output.summary}} --output-folder {FOLDER}",
    "summarize_morphometrics": "--options {input.options} --tables {input.morphometrics}"
    " --evaluation {input.evaluation} --compare {input.morphometrics} --against {input.truth}"
    f" --output-folder {FOLDER}",
    "plot_evaluation": "--options {input.options}" f" --tables {FOLDER} --output {{output}}",
    "plot_morphometrics": "--options {input.options} --tables {input.morphometrics}"
    " --evaluation {input.evaluation} --pairs {input.pairs} --output {output}",
    "review_index": "--runs {params.runs} --output {output.page}",
}


rule aggregate:
    input:
        options=f"{OPTIONS}/aggregate.json",
        evaluation=collect("<results>/{run}/evaluation.csv", run=RUNS),
        morphometrics=collect("<results>/{run}/morphometrics.parquet", run=RUNS),
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
        summary=report(
            "<results>/summary.txt",
            category=FIRST,
            labels={"table": "what there is, what to look at"},
            caption="../report/summary.rst",
        ),
        complete=touch(COMPLETE),
    log:
        "<logs>/aggregate.log",
    benchmark:
        "<benchmarks>/aggregate.tsv"
    conda:
        "../../envs/light.yaml"
    params:
        program=program("aggregate"),
        expected=json.dumps(RUNS),
        metadata=json.dumps(METADATA),
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
        truth=TRUTH_MEASURED,
    output:
        summary=report(
            "<results>/tables/morphometrics_summary.csv",
            category="Measurements",
            subcategory="All genera",
            labels={"table": "summary by genus"},
            caption="../report/morphometrics_summary.rst",
        ),
        publication=report(
            "<results>/tables/publication.csv",
            category="Measurements",
            subcategory="All genera",
            labels={"table": "summary for a publication"},
            caption="../report/publication.rst",
        ),
        concordance=report(
            "<results>/tables/morphometrics_concordance.csv",
            category="Measurements",
            subcategory="Predicted against drawn masks",
            labels={"table": "concordance, bias, limits of agreement"},
            caption="../report/morphometrics_concordance.rst",
        ),
        short=report(
            "<results>/tables/measurements.csv",
            category=FIRST,
            labels={"table": "measurements"},
            caption="../report/measurements.rst",
        ),
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
    benchmark:
        "<benchmarks>/summarize_morphometrics.tsv"
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
        pairs="<results>/tables/morphometrics_pairs.csv",
    output:
        distributions=report(
            "<results>/plots/morphometrics_distributions.svg",
            category=FIRST,
            labels={"figure": "distributions by genus"},
            caption="../report/morphometrics_distributions.rst",
        ),
        allometry=report(
            "<results>/plots/morphometrics_allometry.svg",
            category="Measurements",
            subcategory="All genera",
            labels={"figure": "allometry"},
            caption="../report/morphometrics_allometry.rst",
        ),
        agreement=report(
            "<results>/plots/morphometrics_concordance.svg",
            category="Measurements",
            subcategory="Predicted against drawn masks",
            labels={"figure": "predicted against drawn"},
            caption="../report/morphometrics_concordance.rst",
        ),
        slopes=report(
            "<results>/tables/morphometrics_allometry.csv",
            category="Measurements",
            subcategory="All genera",
            labels={"table": "slopes of allometries"},
            caption="../report/morphometrics_allometry.rst",
        ),
        parquet="<results>/tables/morphometrics_allometry.parquet",
    log:
        "<logs>/plot_morphometrics.log",
    benchmark:
        "<benchmarks>/plot_morphometrics.tsv"
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
            name=["summary", "rounds", "reliability", "calibration"],
        ),
    output:
        structures=report(
            "<results>/plots/iou_by_structure.svg",
            category="Masks against truth",
            labels={"figure": "IoU by structure and round"},
            caption="../report/iou_by_structure.rst",
        ),
        genera=report(
            "<results>/plots/iou_by_genus.svg",
            category="Masks against truth",
            labels={"figure": "IoU by genus and structure"},
            caption="../report/iou_by_genus.rst",
        ),
        rounds=report(
            "<results>/plots/change_between_rounds.svg",
            category="Masks against truth",
            labels={"figure": "change between rounds"},
            caption="../report/change_between_rounds.rst",
        ),
        reliability=report(
            "<results>/plots/reliability.svg",
            category="Masks against truth",
            labels={"figure": "IoU by confidence"},
            caption="../report/reliability.rst",
        ),
        warning=report(
            "<results>/plots/warning_by_signal.svg",
            category="Masks against truth",
            labels={"figure": "signals that warn of bad masks"},
            caption="../report/warning_by_signal.rst",
        ),
    log:
        "<logs>/plot_evaluation.log",
    benchmark:
        "<benchmarks>/plot_evaluation.tsv"
    conda:
        "../../envs/light.yaml"
    params:
        program=program("plot_evaluation"),
    shell:
        f"{{params.program}} {ARGUMENTS['plot_evaluation']} > {{log}} 2>&1"
