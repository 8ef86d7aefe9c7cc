# The model's weights, and the adapter that a round trains on them.


rule fetch_checkpoint:
    output:
        checkpoint="resources/checkpoints/{name}.pt",
    log:
        "logs/fetch_checkpoint/{name}.log",
    benchmark:
        "benchmarks/fetch_checkpoint/{name}.tsv"
    conda:
        "../../envs/torch.yaml"
    params:
        command=command("fetch_checkpoint"),
        model=as_json({key: config["model"][key] for key in ("name", "sha256", "url")}),
    shell:
        "{params.command} --model {params.model:q} --output {output.checkpoint} > {log} 2>&1"


# Snakemake deletes the outputs of a job that fails or is tried again. The state of a training lies elsewhere, so
# it goes on where it was; it is keyed by what it is computed from, so another configuration starts afresh.
rule train_palindrome:
    input:
        checkpoint=CHECKPOINT,
        templates="results/{genus}/{round}/templates.json",
        pool="results/{genus}/{round}/train_pool.tsv",
        init=init_adapter,
    output:
        adapter=directory("results/{genus}/{round}/adapter"),
    log:
        "logs/{genus}/{round}/train_palindrome.log",
    benchmark:
        "benchmarks/{genus}/{round}/train_palindrome.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 4  # not in profiles/default, which would win over what another profile says
    params:
        command=command(
            "train_palindrome",
            section="training",
            device=True,
            checkpoint="--checkpoint",
            init="--init",
        ),
        time_limit=time_limit,
        state=lambda wildcards, output: f"resources/training/{wildcards.genus}/{wildcards.round}",
        structures=structures("parent", "exclusive", "weight"),
        model=MODEL,
        options=lambda wildcards: method("training", wildcards),
        seed=config["seed"],
        method=METHOD["train"],
    shell:
        "{params.command} --templates {input.templates} --pool {input.pool} --structures {params.structures:q}"
        " --model {params.model:q} --seed {params.seed} --state {params.state} --output {output.adapter}"
        " {params.time_limit} > {log} 2>&1"
