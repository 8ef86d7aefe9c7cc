# What the results were computed by and from.


# The commit is no parameter: of another commit with the same numbers in METHODS nothing is computed again, and what
# stands here is what computed the tables.
rule provenance:
    input:
        configuration=f"{OPTIONS}/configuration.json",
        options=[f"{OPTIONS}/{stage}.json" for stage in STAGES],
        tables=COMPLETE,
        checkpoint=CHECKPOINT,
        files=[
            local(path)
            for path in (CONFIG.genera, CONFIG.templates, CONFIG.specimen_table)
            if path
        ],
    output:
        provenance=report(
            "<results>/provenance.json",
            category="Provenance",
            labels={"record": "versions, configuration, model, seed"},
            caption="../report/provenance.rst",
        ),
    log:
        "<logs>/provenance.log",
    conda:
        "../../envs/torch.yaml"
    params:
        program=program("provenance"),
        checkpoint=option("--checkpoint", "checkpoint"),
    shell:
        "{params.program} --configuration {input.configuration} --options {input.options}"
        " --files {input.files:q} {params.checkpoint} --output {output.provenance} > {log} 2>&1"
