# The page that shows which masks of a genus to look at first.


rule review_page:
    input:
        options=f"{OPTIONS}/review_page.json",
        predictions=predictions,
        templates="<results>/{genus}/{round}/templates.json",
        evaluation="<results>/{genus}/{round}/evaluation.csv",
    output:
        page="<results>/{genus}/{round}/review.html",
        pictures=directory("<results>/{genus}/{round}/review"),
        sheet=report(
            "<results>/{genus}/{round}/review.png",
            category="Masks to look at first",
            labels={"genus": "{genus}", "round": "{round}"},
            caption="../report/review.rst",
        ),
    log:
        "<logs>/{genus}/{round}/review_page.log",
    benchmark:
        "<benchmarks>/{genus}/{round}/review_page.tsv"
    conda:
        "../../envs/light.yaml"
    params:
        program=program("review_page"),
    shell:
        "{params.program} --options {input.options} --genus {wildcards.genus} --round {wildcards.round}"
        " --predictions {input.predictions} --templates {input.templates}"
        " --evaluation {input.evaluation} --output {output.page} --sheet {output.sheet} > {log} 2>&1"
