# Lengths, areas, shapes and colours of the masks of a genus.


rule measure:
    input:
        options=f"{OPTIONS}/measure.json",
        predictions=predictions,
        templates="results/{genus}/{round}/templates.json",
        specimens=SPECIMEN_TABLE,
    output:
        morphometrics=multiext("results/{genus}/{round}/morphometrics", ".csv", ".parquet"),
        wide=multiext("results/{genus}/{round}/morphometrics_wide", ".csv", ".parquet"),
        dictionary=report(
            "results/{genus}/{round}/measures.tsv",
            category="Measurements",
            subcategory="What the measures are",
            labels={"table": "dictionary", "genus": "{genus}", "round": "{round}"},
            caption="../report/measures.rst",
        ),
    log:
        "logs/{genus}/{round}/measure.log",
    benchmark:
        "benchmarks/{genus}/{round}/measure.tsv"
    conda:
        "../../envs/light.yaml"
    params:
        program=program("measure"),
        specimens=option("--specimen-table", "specimens"),
        scale=scale,
    shell:
        "{params.program} --options {input.options} --genus {wildcards.genus} --round {wildcards.round}"
        " --predictions {input.predictions} --templates {input.templates} {params.scale} {params.specimens}"
        " --output {output.morphometrics} --wide {output.wide} --dictionary {output.dictionary} > {log} 2>&1"


# The drawn masks of specimens with truth, measured as the predicted ones are: how far can the tables be trusted?
rule measure_truth:
    input:
        options=f"{OPTIONS}/measure_truth.json",
        truth="results/{genus}/truth.json",
        manifest=manifest,
        specimens=SPECIMEN_TABLE,
    output:
        morphometrics="results/{genus}/truth_morphometrics.csv",
    log:
        "logs/{genus}/measure_truth.log",
    benchmark:
        "benchmarks/{genus}/measure_truth.tsv"
    conda:
        "../../envs/light.yaml"
    params:
        program=program("measure"),
        specimens=option("--specimen-table", "specimens"),
        scale=scale,
    shell:
        "{params.program} --options {input.options} --genus {wildcards.genus} --round truth --predictions {input.truth}"
        " --specimens {input.manifest} {params.scale} {params.specimens}"
        " --output {output.morphometrics} > {log} 2>&1"


# Over all genera: a row a specimen, a summary, and how well predicted masks measure.
rule summarize_morphometrics:
    input:
        options=f"{OPTIONS}/summarize_morphometrics.json",
        morphometrics="results/tables/morphometrics.csv",
        evaluation="results/tables/evaluation.csv",
        truth=TRUTH_MEASURED,
    output:
        summary=report(
            "results/tables/morphometrics_summary.csv",
            category="Measurements",
            subcategory="All genera",
            labels={"table": "summary by genus"},
            caption="../report/morphometrics_summary.rst",
        ),
        concordance=report(
            "results/tables/morphometrics_concordance.csv",
            category="Measurements",
            subcategory="Predicted against drawn masks",
            labels={"table": "concordance, bias, limits of agreement"},
            caption="../report/morphometrics_concordance.rst",
        ),
        wide="results/tables/morphometrics_wide.csv",
        pairs="results/tables/morphometrics_pairs.csv",
        parquet=collect(
            "results/tables/morphometrics_{name}.parquet",
            name=["summary", "concordance", "wide", "pairs"],
        ),
    log:
        "logs/summarize_morphometrics.log",
    benchmark:
        "benchmarks/summarize_morphometrics.tsv"
    conda:
        "../../envs/light.yaml"
    params:
        program=program("summarize_morphometrics"),
    shell:
        "{params.program} --options {input.options} --tables {input.morphometrics} --evaluation {input.evaluation}"
        " --compare {input.morphometrics} --against {input.truth} --output-folder results/tables > {log} 2>&1"


rule plot_morphometrics:
    input:
        options=f"{OPTIONS}/plot_morphometrics.json",
        morphometrics="results/tables/morphometrics.csv",
        evaluation="results/tables/evaluation.csv",
        pairs="results/tables/morphometrics_pairs.csv",
    output:
        distributions=report(
            "results/plots/morphometrics_distributions.svg",
            category="Measurements",
            subcategory="All genera",
            labels={"figure": "distributions by genus"},
            caption="../report/morphometrics_distributions.rst",
        ),
        allometry=report(
            "results/plots/morphometrics_allometry.svg",
            category="Measurements",
            subcategory="All genera",
            labels={"figure": "allometry"},
            caption="../report/morphometrics_allometry.rst",
        ),
        agreement=report(
            "results/plots/morphometrics_concordance.svg",
            category="Measurements",
            subcategory="Predicted against drawn masks",
            labels={"figure": "predicted against drawn"},
            caption="../report/morphometrics_concordance.rst",
        ),
        slopes=report(
            "results/tables/morphometrics_allometry.csv",
            category="Measurements",
            subcategory="All genera",
            labels={"table": "slopes of allometries"},
            caption="../report/morphometrics_allometry.rst",
        ),
        parquet="results/tables/morphometrics_allometry.parquet",
    log:
        "logs/plot_morphometrics.log",
    benchmark:
        "benchmarks/plot_morphometrics.tsv"
    conda:
        "../../envs/light.yaml"
    params:
        program=program("plot_morphometrics"),
    shell:
        "{params.program} --options {input.options} --tables {input.morphometrics} --evaluation {input.evaluation} --pairs {input.pairs}"
        " --output {output} > {log} 2>&1"
