# Lengths, areas, shapes and colours of the masks of a genus.


rule measure:
    input:
        options=f"{OPTIONS}/measure.json",
        predictions=predictions,
        templates="<results>/{genus}/{round}/templates.json",
        corrections=converted_corrections,
        specimens=SPECIMEN_TABLE,
    output:
        morphometrics=long_table("<results>/{genus}/{round}/morphometrics"),
        wide=multiext("<results>/{genus}/{round}/morphometrics_wide", ".csv", ".parquet"),
        dictionary=report(
            "<results>/{genus}/{round}/measures.tsv",
            category="Measurements",
            subcategory="What the measures are",
            labels={"table": "dictionary", "genus": "{genus}", "round": "{round}"},
            caption="../report/measures.rst",
        ),
    log:
        "<logs>/{genus}/{round}/measure.log",
    benchmark:
        "<benchmarks>/{genus}/{round}/measure.tsv"
    conda:
        "../../envs/light.yaml"
    params:
        program=program("measure"),
        corrections=option("--corrections", "corrections"),
        specimens=option("--specimen-table", "specimens"),
        scale=scale,
        # one of a call that asked for it would be taken for this one's
        csv=lambda wildcards: place(
            f"<results>/{wildcards.genus}/{wildcards.round}/morphometrics.csv"
        ),
    shell:
        "rm -f {params.csv:q}; {params.program} --options {input.options} --genus {wildcards.genus} --round {wildcards.round}"
        " --predictions {input.predictions} --templates {input.templates} {params.scale} {params.specimens}"
        " {params.corrections} --progress {log}.state --output {output.morphometrics} --wide {output.wide} --dictionary {output.dictionary} > {log} 2>&1"


# The drawn masks of specimens with truth, measured as the predicted ones are: how far can the tables be trusted?
rule measure_truth:
    input:
        options=f"{OPTIONS}/measure_truth.json",
        truth="<results>/{genus}/truth.json",
        manifest=manifest,
        specimens=SPECIMEN_TABLE,
    output:
        morphometrics="<results>/{genus}/truth_morphometrics.parquet",
    log:
        "<logs>/{genus}/measure_truth.log",
    benchmark:
        "<benchmarks>/{genus}/measure_truth.tsv"
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
