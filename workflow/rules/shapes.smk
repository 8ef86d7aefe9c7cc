# Outlines and landmarks for geometric morphometrics, if the configuration has `outlines`.


rule export_shapes:
    input:
        options=f"{OPTIONS}/export_shapes.json",
        runs=of_rounds("evaluation.csv", "morphometrics.parquet", "templates.json"),
        corrections=converted_corrections,
        specimens=SPECIMEN_TABLE,
        scales=found_scales,
        landmarks=landmarks_of,
    output:
        folder=directory("<results>/{genus}/shapes"),
    log:
        "<logs>/{genus}/export_shapes.log",
    conda:
        "../../envs/light.yaml"
    params:
        program=program("export_shapes"),
        runs=folders_of_rounds,
        corrections=option("--corrections", "corrections"),
        specimens=option("--specimen-table", "specimens"),
        scales=option("--scales", "scales"),
        landmarks=option("--landmarks", "landmarks"),
        state=landmarks_state,
        scale=scale,
    shell:
        "{params.program} --options {input.options} --genus {wildcards.genus} --runs {params.runs} {params.scale}"
        " {params.scales} {params.specimens} {params.corrections} {params.landmarks} --progress {log}.state --output {output.folder} > {log} 2>&1"


rule plot_shapes:
    input:
        options=f"{OPTIONS}/plot_shapes.json",
        shapes=collect("<results>/{genus}/shapes", genus=PROJECT.genera),
    output:
        figure=shown(
            "<results>/plots/shape_space.svg",
            "Measurements",
            "All genera",
            figure="shape: principal components",
        ),
        scores="<results>/tables/shape_space.csv",
        parquet="<results>/tables/shape_space.parquet",
    log:
        "<logs>/plot_shapes.log",
    conda:
        "../../envs/light.yaml"
    params:
        program=program("plot_shapes"),
    shell:
        "{params.program} --options {input.options} --shapes {input.shapes} --output {output.figure}"
        " --scores {output.scores} {output.parquet} > {log} 2>&1"
