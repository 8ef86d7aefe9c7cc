# What a person does next: which specimens are worth correcting, and what a round changed.


COMPARED = ("evaluation.csv", "morphometrics.parquet")


rule choose_next:
    input:
        options=f"{OPTIONS}/choose_next.json",
        predictions=predictions,
        corrections=converted_corrections,
    output:
        table="<results>/{genus}/{round}/next.csv",
        outlines=directory("<results>/{genus}/{round}/next"),
    log:
        "<logs>/{genus}/{round}/choose_next.log",
    conda:
        "../../envs/light.yaml"
    params:
        program=program("choose_next"),
        corrections=option("--corrections", "corrections"),
    shell:
        "{params.program} --options {input.options} --genus {wildcards.genus} --round {wildcards.round}"
        " --predictions {input.predictions} {params.corrections}"
        " --output {output.table} --outlines {output.outlines} > {log} 2>&1"


rule compare_masks:
    input:
        options=f"{OPTIONS}/compare_masks.json",
        predictions=predictions,
        earlier=lambda wildcards: earlier_files(wildcards, *COMPARED),
        later=collect("<results>/{{genus}}/{{round}}/{file}", file=COMPARED),
        corrections=converted_corrections,
    output:
        table="<results>/{genus}/{round}/changes.csv",
        measures=shown(
            "<results>/{genus}/{round}/changed_measures.csv",
            "Measurements",
            "Changes between rounds",
            genus="{genus}",
            round="{round}",
        ),
    log:
        "<logs>/{genus}/{round}/compare_masks.log",
    conda:
        "../../envs/light.yaml"
    params:
        program=program("compare_masks"),
        corrections=option("--corrections", "corrections"),
        earlier=lambda wildcards, input: str(Path(input.earlier[0]).parent),
        later=lambda wildcards, input: str(Path(input.later[0]).parent),
    shell:
        "{params.program} --options {input.options} --genus {wildcards.genus} {params.corrections}"
        " --before {params.earlier} --after {params.later} --output {output.table}"
        " --measures {output.measures} --progress {log}.state > {log} 2>&1"
