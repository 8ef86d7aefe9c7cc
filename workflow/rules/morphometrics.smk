# Scales of photographs; lengths, areas, shapes and colours of the masks of a genus.


# Only where the configuration lists bar, ruler or card as sources of the scale.
rule search_scale:
    input:
        options=f"{OPTIONS}/search_scale.json",
        specimens="<results>/{genus}/lists/{shard}.tsv",
    output:
        table="<results>/{genus}/scale/{shard}.csv",
        pictures=directory("<results>/{genus}/scale/{shard}"),
    log:
        "<logs>/{genus}/search_scale/{shard}.log",
    conda:
        "../../envs/light.yaml"
    threads: 2
    params:
        program=program("search_scale"),
    shell:
        "{params.program} --options {input.options} --genus {wildcards.genus} --specimens {input.specimens}"
        " --threads {threads} --progress {log}.state --output {output.table} --pictures {output.pictures} > {log} 2>&1"


rule find_scale:
    input:
        options=f"{OPTIONS}/find_scale.json",
        tables=searched_scales,
        specimens=SPECIMEN_TABLE,
    output:
        scales="<results>/{genus}/scale.csv",
    log:
        "<logs>/{genus}/find_scale.log",
    conda:
        "../../envs/light.yaml"
    params:
        program=program("find_scale"),
        specimens=option("--specimen-table", "specimens"),
    shell:
        "{params.program} --options {input.options} --tables {input.tables} {params.specimens} --output {output.scales} > {log} 2>&1"


rule measure:
    input:
        options=f"{OPTIONS}/measure.json",
        predictions=predictions,
        templates="<results>/{genus}/{round}/templates.json",
        corrections=converted_corrections,
        specimens=SPECIMEN_TABLE,
        scales=found_scales,
    output:
        morphometrics=long_table("<results>/{genus}/{round}/morphometrics"),
        wide=multiext("<results>/{genus}/{round}/morphometrics_wide", ".csv", ".parquet"),
        dictionary=shown(
            "<results>/{genus}/{round}/measures.tsv",
            "Measurements",
            "What the measures are",
            table="dictionary",
            genus="{genus}",
            round="{round}",
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
        scales=option("--scales", "scales"),
        # one of a call that asked for it would be taken for this one's
        csv=lambda wildcards: place(
            f"<results>/{wildcards.genus}/{wildcards.round}/morphometrics.csv"
        ),
    shell:
        "rm -f {params.csv:q}; {params.program} --options {input.options} --genus {wildcards.genus} --round {wildcards.round}"
        " --predictions {input.predictions} --templates {input.templates} {params.scale} {params.scales} {params.specimens}"
        " {params.corrections} --progress {log}.state --output {output.morphometrics} --wide {output.wide} --dictionary {output.dictionary} > {log} 2>&1"


# The drawn masks of specimens with truth, measured as the predicted ones are: how far can the tables be trusted?
rule measure_truth:
    input:
        options=f"{OPTIONS}/measure_truth.json",
        truth="<results>/{genus}/truth.json",
        manifest=manifest,
        specimens=SPECIMEN_TABLE,
        scales=found_scales,
    output:
        morphometrics="<results>/{genus}/truth_morphometrics.parquet",
    log:
        "<logs>/{genus}/measure_truth.log",
    conda:
        "../../envs/light.yaml"
    params:
        program=program("measure"),
        specimens=option("--specimen-table", "specimens"),
        scale=scale,
        scales=option("--scales", "scales"),
    shell:
        "{params.program} --options {input.options} --genus {wildcards.genus} --round truth --predictions {input.truth}"
        " --specimens {input.manifest} {params.scale} {params.scales} {params.specimens}"
        " --output {output.morphometrics} > {log} 2>&1"
