# The model's weights, and the adapter that a round trains on them.


rule fetch_checkpoint:
    input:
        options=f"{OPTIONS}/fetch_checkpoint.json",
    output:
        checkpoint="<resources>/checkpoints/{name}.pt",
    log:
        "<logs>/fetch_checkpoint/{name}.log",
    localrule: True
    conda:
        "../../envs/torch.yaml"
    params:
        program=program("fetch_checkpoint"),
    shell:
        "{params.program} --options {input.options} --progress {log}.state --output {output.checkpoint} > {log} 2>&1"


# Snakemake deletes the outputs of a job that fails or is tried again. The state of a training lies elsewhere, so
# it goes on where it was; it is keyed by what it is computed from, so another configuration starts afresh.
rule train_palindrome:
    input:
        options=f"{OPTIONS}/train_palindrome.{{round}}.json",
        checkpoint=CHECKPOINT,
        model=MODEL_CONFIG,
        templates="<results>/{genus}/{round}/templates.json",
        pool="<results>/{genus}/{round}/train_pool.tsv",
        init=init_adapter,
    output:
        adapter=directory("<results>/{genus}/{round}/adapter"),
    log:
        "<logs>/{genus}/{round}/train_palindrome.log",
    benchmark:
        "<benchmarks>/{genus}/{round}/train_palindrome.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 4  # not in profiles/default, which would win over what another profile says
    params:
        program=program("train_palindrome", gpu=True),
        machine=training_machine,
        checkpoint=option("--checkpoint", "checkpoint"),
        init=option("--init", "init"),
        state=lambda wildcards, output: place(
            f"<resources>/training/{wildcards.genus}/{wildcards.round}"
        ),
    shell:
        "{params.program} {params.machine} --options {input.options}"
        " --templates {input.templates} --pool {input.pool} {params.checkpoint} {params.init}"
        " --state {params.state} --progress {log}.state --output {output.adapter} > {log} 2>&1"
