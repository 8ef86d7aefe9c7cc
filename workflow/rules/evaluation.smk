# How good the masks of a genus are, wherever there is truth.


rule evaluate:
    input:
        predictions=predictions,
        templates="results/{genus}/{round}/templates.json",
        truth=lambda wildcards: genus_of(wildcards).truth or [],
        specimens=config["specimen_table"] or [],
    output:
        evaluation="results/{genus}/{round}/evaluation.csv",
    log:
        "logs/{genus}/{round}/evaluate.log",
    benchmark:
        "benchmarks/{genus}/{round}/evaluate.tsv"
    conda:
        "../../envs/light.yaml"
    params:
        command=command(
            "evaluate", section="evaluation", truth="--truth", specimens="--specimen-table"
        ),
        options=method("evaluation"),
        seed=config["seed"],
        method=METHOD["evaluate"],
    shell:
        "{params.command} --genus {wildcards.genus} --round {wildcards.round}"
        " --predictions {input.predictions} --templates {input.templates}"
        " --seed {params.seed} --output {output.evaluation} > {log} 2>&1"
