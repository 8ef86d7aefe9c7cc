# Lengths, areas, shapes and colours of the masks of a genus.


rule measure:
    input:
        predictions=predictions,
        templates="results/{genus}/{round}/templates.json",
        specimens=config["specimen_table"] or [],
    output:
        morphometrics="results/{genus}/{round}/morphometrics.csv",
        wide="results/{genus}/{round}/morphometrics_wide.csv",
        dictionary="results/{genus}/{round}/measures.tsv",
    log:
        "logs/{genus}/{round}/measure.log",
    benchmark:
        "benchmarks/{genus}/{round}/measure.tsv"
    conda:
        "../../envs/light.yaml"
    params:
        command=command("measure", section="measurement", specimens="--specimen-table"),
        scale=scale,
        options=method("measurement"),
        method=METHOD["measure"],
    shell:
        "{params.command} --genus {wildcards.genus} --round {wildcards.round}"
        " --predictions {input.predictions} --templates {input.templates} {params.scale}"
        " --output {output.morphometrics} --wide {output.wide} --dictionary {output.dictionary} > {log} 2>&1"
