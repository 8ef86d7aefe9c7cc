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
        command=command("measure", section="measurement"),
        scale=lambda wildcards: genus_of(wildcards).pixels_per_mm or "",
        options=method("measurement"),
        method=METHOD["measure"],
    shell:
        "{params.command} --predictions {input.predictions}"
        " --output {output.morphometrics} > {log} 2>&1"
