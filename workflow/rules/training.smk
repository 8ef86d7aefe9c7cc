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
        script=script("fetch_checkpoint"),
        model=as_json({key: config["model"][key] for key in ("name", "sha256", "url")}),
    shell:
        "{params.script} --model {params.model:q} --output {output.checkpoint} > {log} 2>&1"


# Snakemake deletes the outputs of a job that fails or is tried again. The state of a training lies elsewhere, so
# it goes on where it was; it is keyed by what it is computed from, so another configuration starts afresh.
rule train_palindrome:
    input:
        checkpoint=checkpoint_file,
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
    params:
        script=script("train_palindrome"),
        device=device,
        state=lambda wildcards, output: f"resources/training/{wildcards.genus}/{wildcards.round}",
        checkpoint=optional("--checkpoint", "checkpoint"),
        init=optional("--init", "init"),
        structures=structures("parent", "exclusive", "weight"),
        model=model,
        method_options=method("training"),
        options=options("training"),
        seed=config["seed"],
        method=METHOD["train"],
    shell:
        "{params.script} --templates {input.templates} --pool {input.pool} --structures {params.structures:q}"
        " --model {params.model:q} {params.checkpoint:q} {params.init:q} --options {params.options:q}"
        " --seed {params.seed} --device {params.device} --state {params.state} --output {output.adapter}"
        " > {log} 2>&1"
