# Lengths, areas, shapes and colours of the masks of a genus.


rule measure:
    input:
        predictions=predictions,
    output:
        morphometrics="results/{genus}/{round}/morphometrics.csv",
    log:
        "logs/{genus}/{round}/measure.log",
    benchmark:
        "benchmarks/{genus}/{round}/measure.tsv"
    conda:
        "../../envs/light.yaml"
    params:
        script=script("measure"),
        scale=lambda wildcards: genus_of(wildcards).pixels_per_mm or "",
        method_options=method("measurement"),
        options=options("measurement"),
        method=METHOD["measure"],
    shell:
        "{params.script} --predictions {input.predictions} --options {params.options:q}"
        " --output {output.morphometrics} > {log} 2>&1"
