# Every format of annotations becomes one canonical COCO file a round.


rule convert_templates:
    input:
        annotations=lambda wildcards: [
            source.annotations
            for source in sources_of(wildcards)
            if not Path(source.annotations).is_dir()
        ],
        demo=drawn,
    output:
        templates="results/{genus}/{round}/templates.json",
    log:
        "logs/{genus}/{round}/convert_templates.log",
    benchmark:
        "benchmarks/{genus}/{round}/convert_templates.tsv"
    conda:
        "../../envs/light.yaml"
    params:
        command=command("convert_templates"),
        fingerprints=source_fingerprints,
        annotations=lambda wildcards: [source.annotations for source in sources_of(wildcards)],
        photographs=lambda wildcards: [source.photographs for source in sources_of(wildcards)],
        structures=structures("parent"),
        method=METHOD["convert"],
    shell:
        "{params.command} --genus {wildcards.genus} --round {wildcards.round}"
        " --annotations {params.annotations:q} --photographs {params.photographs:q}"
        " --structures {params.structures:q} --output {output.templates} > {log} 2>&1"
