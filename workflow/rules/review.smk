# The pages on which masks are judged and corrected: one a genus and round, and one that opens all of them.


rule review_page:
    input:
        options=f"{OPTIONS}/review_page.json",
        predictions=predictions,
        pictures=lambda wildcards: [f"{of[:-5]}.zip" for of in predictions(wildcards)],
        templates="<results>/{genus}/{round}/templates.json",
        evaluation="<results>/{genus}/{round}/evaluation.csv",
        measurements="<results>/{genus}/{round}/morphometrics.parquet",
        next="<results>/{genus}/{round}/next.csv",
        changes=lambda wildcards: changes(wildcards.genus, wildcards.round),
        corrections=converted_corrections,
    output:
        page="<results>/{genus}/{round}/review.html",
        pictures=report(
            directory("<results>/{genus}/{round}/review"),
            htmlindex="index.html",
            category="Every specimen",
            labels={"genus": "{genus}", "round": "{round}"},
            caption="../report/specimens.rst",
        ),
        sheet=shown(
            "<results>/{genus}/{round}/review.png",
            "Masks to look at first",
            genus="{genus}",
            round="{round}",
        ),
    log:
        "<logs>/{genus}/{round}/review_page.log",
    benchmark:
        "<benchmarks>/{genus}/{round}/review_page.tsv"
    conda:
        "../../envs/light.yaml"
    params:
        program=program("review_page"),
        corrections=option("--corrections", "corrections"),
        changes=option("--changes", "changes"),
        home=place("<results>/index.html"),
    shell:
        "{params.program} --options {input.options} --genus {wildcards.genus} --round {wildcards.round}"
        " --predictions {input.predictions} --pictures {input.pictures} --templates {input.templates}"
        " --evaluation {input.evaluation} --measurements {input.measurements} --next {input.next}"
        " {params.changes} {params.corrections} --output {output.page} --sheet {output.sheet} --home {params.home:q}"
        " --progress {log}.state > {log} 2>&1"


rule review_index:
    input:
        options=f"{OPTIONS}/review_index.json",
        pages=collect("<results>/{run}/review.html", run=RUNS),
        tables="<results>/tables/status.csv",
        plots=rules.plot_morphometrics.output,
        evaluation=rules.plot_evaluation.output,
        shapes=rules.plot_shapes.output if CONFIG.outlines else [],
    output:
        page="<results>/index.html",
        folder=directory("<results>/index"),
    log:
        "<logs>/review_index.log",
    conda:
        "../../envs/light.yaml"
    params:
        program=program("review_index"),
        runs=RUNS,
    shell:
        f"{{params.program}} {ARGUMENTS['review_index']} > {{log}} 2>&1"
