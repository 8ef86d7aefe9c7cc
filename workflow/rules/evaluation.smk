# How good the masks of a genus are, wherever there is truth.


rule evaluate:
    input:
        options=f"{OPTIONS}/evaluate.json",
        predictions=predictions,
        templates="<results>/{genus}/{round}/templates.json",
        truth=converted_truth,
        corrections=converted_corrections,
        specimens=SPECIMEN_TABLE,
    output:
        evaluation="<results>/{genus}/{round}/evaluation.csv",
    log:
        "<logs>/{genus}/{round}/evaluate.log",
    benchmark:
        "<benchmarks>/{genus}/{round}/evaluate.tsv"
    conda:
        "../../envs/light.yaml"
    params:
        program=program("evaluate"),
        truth=option("--truth", "truth"),
        corrections=option("--corrections", "corrections"),
        specimens=option("--specimen-table", "specimens"),
    shell:
        "{params.program} --options {input.options} --genus {wildcards.genus} --round {wildcards.round}"
        " --predictions {input.predictions} --templates {input.templates} {params.truth} {params.specimens}"
        " {params.corrections} --progress {log}.state"
        " --output {output.evaluation} > {log} 2>&1"
