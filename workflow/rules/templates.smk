# Every format of annotations becomes canonical COCO: a file per round, one of the truth, one of corrections.


# `states` says when annotations changed; a file that was only saved again has another time and is the same.
rule convert_templates:
    input:
        options=f"{OPTIONS}/convert_templates.json",
        annotations=lambda wildcards: [
            ancient(local(source.annotations))
            for source in sources_of(wildcards)
            if not Path(source.annotations).is_dir()
        ],
        demo=drawn,
    output:
        templates="<results>/{genus}/{round}/templates.json",
    log:
        "<logs>/{genus}/{round}/convert_templates.log",
    conda:
        "../../envs/light.yaml"
    params:
        program=program("convert_templates"),
        states=source_states,
        annotations=lambda wildcards: [source.annotations for source in sources_of(wildcards)],
        photographs=lambda wildcards: [source.photographs for source in sources_of(wildcards)],
    shell:
        "{params.program} --options {input.options} --genus {wildcards.genus} --round {wildcards.round}"
        " --annotations {params.annotations:q} --photographs {params.photographs:q}"
        " --output {output.templates} > {log} 2>&1"


rule convert_truth:
    input:
        options=f"{OPTIONS}/convert_templates.json",
        truth=lambda wildcards: (
            [] if Path(truth_of(wildcards)).is_dir() else local(truth_of(wildcards))
        ),
        specimens=manifest,
    output:
        truth="<results>/{genus}/truth.json",
    log:
        "<logs>/{genus}/convert_truth.log",
    conda:
        "../../envs/light.yaml"
    params:
        program=program("convert_templates"),
        state=truth_state,
        annotations=truth_of,
    shell:
        "{params.program} --options {input.options} --genus {wildcards.genus}"
        " --annotations {params.annotations:q} --specimens {input.specimens}"
        " --output {output.truth} > {log} 2>&1"


rule convert_corrections:
    input:
        options=f"{OPTIONS}/convert_corrections.json",
        corrections=lambda wildcards: list(map(local, PROJECT.corrections[wildcards.genus])),
        specimens=manifest,
    output:
        corrections="<results>/{genus}/corrections.json",
    log:
        "<logs>/{genus}/convert_corrections.log",
    conda:
        "../../envs/light.yaml"
    params:
        program=program("convert_corrections"),
        hashes=HASHES,
    shell:
        "{params.program} --options {input.options} --genus {wildcards.genus}"
        " --corrections {input.corrections:q} --specimens {input.specimens} --hashes {params.hashes}"
        " --output {output.corrections} > {log} 2>&1"
