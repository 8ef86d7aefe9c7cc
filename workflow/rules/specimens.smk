# Which photographs a genus has, and which of them a round learns from.


# The specimens of photographs that show many: boxes, windows and names.
rule find_specimens:
    input:
        options=f"{OPTIONS}/find_specimens.json",
        templates=first_templates,
        boxes=lambda wildcards: [local(path) for path in genus_of(wildcards).box_files],
    output:
        specimens="<results>/{genus}/specimens.json",
        page=directory("<results>/{genus}/trays"),
    log:
        "<logs>/{genus}/find_specimens.log",
    conda:
        "../../envs/light.yaml"
    params:
        program=program("find_specimens"),
        folder=lambda wildcards: genus_of(wildcards).specimens,
        state=folder_state,
        boxes=lambda wildcards, input: (f"--boxes {shlex.join(input.boxes)}" if input.boxes else ""),
        codes=lambda wildcards: "--codes" if genus_of(wildcards).codes == "yes" else "",
        auto=lambda wildcards: "--auto" if genus_of(wildcards).layout == "auto" else "",
    shell:
        "{params.program} --photographs {params.folder:q} --templates {input.templates} {params.boxes} {params.codes} {params.auto}"
        " --genus {wildcards.genus} --page {output.page} --progress {log}.state --output {output.specimens} > {log} 2>&1"


# Photographs are never Snakemake's inputs, there may be a million of them. Names, sizes and times of all files of
# the folder are condensed into a hash instead, in the main process only; when it changes, the genus is
# listed again. The script writes a list only if what it says changed, so only shards with new or replaced
# photographs are segmented again.
#
# manifest.tsv and lists/ are not declared as outputs: Snakemake would delete them before every run, and with them
# what tells which specimen is in which shard. (Declared with `update` they would survive, but after a listing that
# failed, Snakemake records the new hash and believes the old files to be new.)
checkpoint list_specimens:
    input:
        options=f"{OPTIONS}/list_specimens.json",
        demo=drawn,
        windows=found_specimens,
    output:
        listed=touch("<results>/{genus}/lists/.listed"),
    log:
        "<logs>/{genus}/list_specimens.log",
    benchmark:
        "<benchmarks>/{genus}/list_specimens.tsv"
    conda:
        "../../envs/light.yaml"
    params:
        program=program("list_specimens"),
        folder=lambda wildcards: genus_of(wildcards).specimens,
        state=folder_state,
        windows=option("--windows", "windows"),
        manifest=lambda wildcards, output: place(f"<results>/{wildcards.genus}/manifest.tsv"),
        lists=lambda wildcards, output: place(f"<results>/{wildcards.genus}/lists"),
    shell:
        "{params.program} --options {input.options} --genus {wildcards.genus} --folder {params.folder:q}"
        " {params.windows} --manifest {params.manifest} --lists {params.lists} --state {params.lists}/.state.tsv"
        " --progress {log}.state > {log} 2>&1"


# Drawn once and kept: photographs that are added later change no training.
rule draw_pool:
    input:
        options=f"{OPTIONS}/draw_pool.{{round}}.json",
        manifest=ancient(pool_manifest),
        templates="<results>/{genus}/{round}/templates.json",
    output:
        pool="<results>/{genus}/{round}/train_pool.tsv",
    log:
        "<logs>/{genus}/{round}/draw_pool.log",
    conda:
        "../../envs/light.yaml"
    params:
        program=program("draw_pool"),
    shell:
        "{params.program} --options {input.options} --manifest {input.manifest} --templates {input.templates}"
        " --output {output.pool} > {log} 2>&1"
