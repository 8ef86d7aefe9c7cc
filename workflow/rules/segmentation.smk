# The masks of one shard of a genus.


rule segment_shard:
    input:
        checkpoint=CHECKPOINT,
        specimens="results/{genus}/lists/{shard}.tsv",
        templates="results/{genus}/{round}/templates.json",
        adapter=adapter,
    output:
        predictions="results/{genus}/{round}/shards/{shard}.json",
    log:
        "logs/{genus}/{round}/segment_shard/{shard}.log",
    benchmark:
        "benchmarks/{genus}/{round}/segment_shard/{shard}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 4  # not in profiles/default, which would win over what another profile says
    params:
        command=command(
            "segment_shard",
            section="segmentation",
            device=True,
            checkpoint="--checkpoint",
            adapter="--adapter",
        ),
        structures=structures("parent", "exclusive"),
        model=MODEL,
        options=method("segmentation"),
        seed=config["seed"],
        method=METHOD["segment"],
    shell:
        "{params.command} --genus {wildcards.genus} --round {wildcards.round}"
        " --specimens {input.specimens} --templates {input.templates}"
        " --structures {params.structures:q} --model {params.model:q} --seed {params.seed}"
        " --output {output.predictions} > {log} 2>&1"


rule draw_masks:
    input:
        predictions="results/{genus}/{round}/shards/{shard}.json",
    output:
        pictures=directory("results/{genus}/{round}/{kind}/{shard}"),
    log:
        "logs/{genus}/{round}/draw_masks/{kind}/{shard}.log",
    benchmark:
        "benchmarks/{genus}/{round}/draw_masks/{kind}/{shard}.tsv"
    wildcard_constraints:
        kind="overlays|indexed",
    conda:
        "../../envs/light.yaml"
    params:
        command=command("draw_masks"),
        method=METHOD["draw_masks"],
    shell:
        "{params.command} --predictions {input.predictions} --kind {wildcards.kind}"
        " --output {output.pictures} > {log} 2>&1"
