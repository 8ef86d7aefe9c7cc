# The demo's genera, drawn: the default configuration needs nothing from outside the repository. A table that names
# files under DEMO gets them drawn when they are needed.


rule draw_specimens:
    input:
        options=f"{OPTIONS}/draw_specimens.json",
    output:
        photographs=local(directory("resources/demo/{genus}/photographs")),
        templates=local("resources/demo/{genus}/templates.json"),
        truth=local("resources/demo/{genus}/truth.json"),
        table=local("resources/demo/{genus}/specimens.tsv"),
    log:
        "<logs>/{genus}/draw_specimens.log",
    wildcard_constraints:
        genus="|".join(DEMO_KINDS),
    conda:
        "../../envs/light.yaml"
    params:
        program=program("research/draw_specimens"),
        kind=lambda wildcards: DEMO_KINDS[wildcards.genus],
        folder=lambda wildcards, output: str(Path(output.truth).parent),
    shell:
        "{params.program} --genus {wildcards.genus} --kind {params.kind:q} --structures head,pronotum,elytra,legs,antennae"
        " --specimens 12 --templates 1 --broken 1 --output {params.folder} > {log} 2>&1"


rule join_specimen_tables:
    input:
        [local(f"{DEMO}{genus}/specimens.tsv") for genus in DEMO_KINDS],
    output:
        table=local("resources/demo/specimens.tsv"),
    log:
        "<logs>/join_specimen_tables.log",
    conda:
        "../../envs/light.yaml"
    shell:
        "awk 'NR == 1 || FNR > 1' {input} > {output.table} 2> {log}"
