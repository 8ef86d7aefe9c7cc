# What the results were computed by and from.


# The commit is no parameter: of another commit with the same numbers in METHOD nothing is computed again, and what
# stands here is what computed the tables.
rule provenance:
    input:
        tables=COMPLETE,
        checkpoint=CHECKPOINT,
        files=[config[key] for key in ("genera", "templates", "specimen_table") if config[key]],
    output:
        provenance=report(
            "results/provenance.json",
            category="Provenance",
            labels={"record": "versions, configuration, model, seed"},
            caption="../report/provenance.rst",
        ),
    log:
        "logs/provenance.log",
    benchmark:
        "benchmarks/provenance.tsv"
    conda:
        "../../envs/torch.yaml"
    params:
        command=command("provenance", checkpoint="--checkpoint"),
        configuration=as_json(config),
        methods=sorted(METHOD.values()),
    shell:
        "{params.command} --configuration {params.configuration:q} --methods {params.methods:q}"
        " --files {input.files:q} --output {output.provenance} > {log} 2>&1"
