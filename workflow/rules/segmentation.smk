# The masks of one shard of a genus.


rule segment_shard:
    input:
        options=f"{OPTIONS}/segment_shard.json",
        checkpoint=CHECKPOINT,
        model=MODEL_CONFIG,
        specimens="<results>/{genus}/lists/{shard}.tsv",
        templates="<results>/{genus}/{round}/templates.json",
        adapter=adapter,
    output:
        predictions="<results>/{genus}/{round}/shards/{shard}.json",
        pictures="<results>/{genus}/{round}/shards/{shard}.zip",
    log:
        "<logs>/{genus}/{round}/segment_shard/{shard}.log",
    benchmark:
        "<benchmarks>/{genus}/{round}/segment_shard/{shard}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 4  # not in profiles/default, which would win over what another profile says
    params:
        program=program("segment_shard", gpu=True),
        machine=segmentation_machine,
        checkpoint=option("--checkpoint", "checkpoint"),
        adapter=option("--adapter", "adapter"),
    shell:
        "{params.program} {params.machine} --options {input.options}"
        " --genus {wildcards.genus} --round {wildcards.round} --specimens {input.specimens}"
        " --templates {input.templates} {params.checkpoint} {params.adapter}"
        " --progress {log}.state --output {output.predictions} --pictures {output.pictures} > {log} 2>&1"


# Also of few specimens; that there are too few it finds before it loads anything.
rule leave_one_out:
    input:
        options=f"{OPTIONS}/leave_one_out.json",
        checkpoint=CHECKPOINT,
        model=MODEL_CONFIG,
        templates="<results>/{genus}/{round}/templates.json",
        others=other_templates,
        adapters=adapters_of,
        corrected=corrected_templates,
    output:
        table="<results>/{genus}/{round}/leave_one_out.csv",
    log:
        "<logs>/{genus}/{round}/leave_one_out.log",
    conda:
        "../../envs/torch.yaml"
    threads: 4  # not in profiles/default, which would win over what another profile says
    params:
        program=program("leave_one_out", gpu=True),
        machine=segmentation_machine,
        checkpoint=option("--checkpoint", "checkpoint"),
        corrected=lambda wildcards, input: (
            f"--corrected {shlex.join(map(str, input.corrected))}" if input.corrected else ""
        ),
        adapters=lambda wildcards, input: (
            f"--adapters {shlex.join(map(str, input.adapters))}" if input.adapters else ""
        ),
    shell:
        "{params.program} {params.machine} --options {input.options}"
        " --genus {wildcards.genus} --round {wildcards.round} --templates {input.templates}"
        " --others {input.others:q} {params.adapters} {params.checkpoint} {params.corrected}"
        " --progress {log}.state --output {output.table} > {log} 2>&1"


rule draw_masks:
    input:
        options=f"{OPTIONS}/draw_masks.json",
        predictions="<results>/{genus}/{round}/shards/{shard}.json",
        corrections=converted_corrections,
    output:
        pictures=directory("<results>/{genus}/{round}/{kind}/{shard}"),
    log:
        "<logs>/{genus}/{round}/draw_masks/{kind}/{shard}.log",
    wildcard_constraints:
        kind="overlays|indexed",
    conda:
        "../../envs/light.yaml"
    params:
        program=program("draw_masks"),
        corrections=option("--corrections", "corrections"),
    shell:
        "{params.program} --predictions {input.predictions} --kind {wildcards.kind} {params.corrections}"
        " --output {output.pictures} --progress {log}.state > {log} 2>&1"
