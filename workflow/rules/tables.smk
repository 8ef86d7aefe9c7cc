# The tables of all genera and all rounds.


# The report carries the short ones; the long ones have a row a specimen.
LONG = ("evaluation", "morphometrics")


rule aggregate:
    input:
        options=f"{OPTIONS}/aggregate.json",
        evaluation=collect("results/{run}/evaluation.csv", run=RUNS),
        morphometrics=collect("results/{run}/morphometrics.csv", run=RUNS),
    output:
        tables=[
            (
                report(
                    table,
                    category="Tables",
                    labels={"table": Path(table).stem},
                    caption="../report/tables.rst",
                )
                if table.endswith(".csv") and Path(table).stem not in LONG
                else table
            )
            for table in TABLES
        ],
        complete=touch(COMPLETE),
    log:
        "logs/aggregate.log",
    benchmark:
        "benchmarks/aggregate.tsv"
    conda:
        "../../envs/light.yaml"
    params:
        program=program("aggregate"),
        expected=json.dumps(RUNS),
        metadata=json.dumps(METADATA),
    shell:
        "{params.program} --options {input.options} --expected {params.expected:q} --metadata {params.metadata:q}"
        " --output-folder results/tables > {log} 2>&1"
