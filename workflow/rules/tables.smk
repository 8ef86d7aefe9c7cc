# The tables of all genera and all rounds.


rule aggregate:
    input:
        evaluation=collect("results/{run}/evaluation.csv", run=RUNS),
        morphometrics=collect("results/{run}/morphometrics.csv", run=RUNS),
    output:
        tables=TABLES,
        complete=touch(COMPLETE),
    log:
        "logs/aggregate.log",
    benchmark:
        "benchmarks/aggregate.tsv"
    conda:
        "../../envs/light.yaml"
    params:
        command=command("aggregate", section="evaluation"),
        expected=as_json(RUNS),
        metadata=as_json(METADATA),
        options=method("evaluation"),
        seed=config["seed"],
        method=METHOD["aggregate"],
    shell:
        "{params.command} --expected {params.expected:q} --metadata {params.metadata:q} --seed {params.seed}"
        " --output-folder results/tables > {log} 2>&1"
