# The masks of one shard of a genus.


rule segment_shard:
    input:
        checkpoint=checkpoint_file,
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
    params:
        script=script("segment_shard"),
        device=device,
        checkpoint=optional("--checkpoint", "checkpoint"),
        adapter=optional("--adapter", "adapter"),
        structures=structures("parent", "exclusive"),
        model=model,
        method_options=method("segmentation"),
        options=options("segmentation"),
        seed=config["seed"],
        method=METHOD["segment"],
    shell:
        "{params.script} --specimens {input.specimens} --templates {input.templates}"
        " --structures {params.structures:q} --model {params.model:q} {params.checkpoint:q} {params.adapter:q}"
        " --options {params.options:q} --seed {params.seed} --device {params.device}"
        " --output {output.predictions} > {log} 2>&1"
