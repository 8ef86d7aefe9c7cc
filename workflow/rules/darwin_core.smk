# Measurements, photographs and masks in the terms of biodiversity databases, if `darwin_core` is true.


rule export_darwin_core:
    input:
        options=f"{OPTIONS}/export_darwin_core.json",
        runs=of_rounds("evaluation.csv", "morphometrics.parquet"),
        corrections=converted_corrections,
    output:
        folder=directory("<results>/{genus}/darwin_core"),
    log:
        "<logs>/{genus}/export_darwin_core.log",
    conda:
        "../../envs/light.yaml"
    params:
        program=program("export_darwin_core"),
        runs=folders_of_rounds,
        corrections=option("--corrections", "corrections"),
    shell:
        "{params.program} --options {input.options} --genus {wildcards.genus} --runs {params.runs}"
        " {params.corrections} --output {output.folder} > {log} 2>&1"
