# How good the masks of a genus are, wherever there is truth.


rule evaluate:
    input:
        options=f"{OPTIONS}/evaluate.json",
        predictions=predictions,
        templates="results/{genus}/{round}/templates.json",
        truth=converted_truth,
        specimens=SPECIMEN_TABLE,
    output:
        evaluation="results/{genus}/{round}/evaluation.csv",
    log:
        "logs/{genus}/{round}/evaluate.log",
    benchmark:
        "benchmarks/{genus}/{round}/evaluate.tsv"
    conda:
        "../../envs/light.yaml"
    params:
        program=program("evaluate"),
        truth=option("--truth", "truth"),
        specimens=option("--specimen-table", "specimens"),
    shell:
        "{params.program} --options {input.options} --genus {wildcards.genus} --round {wildcards.round}"
        " --predictions {input.predictions} --templates {input.templates} {params.truth} {params.specimens}"
        " --output {output.evaluation} > {log} 2>&1"


rule plot_evaluation:
    input:
        options=f"{OPTIONS}/plot_evaluation.json",
        tables=collect(
            "results/tables/evaluation_{name}.csv",
            name=["summary", "rounds", "reliability", "calibration"],
        ),
    output:
        structures=report(
            "results/plots/iou_by_structure.svg",
            category="Masks against truth",
            labels={"figure": "IoU by structure and round"},
            caption="../report/iou_by_structure.rst",
        ),
        genera=report(
            "results/plots/iou_by_genus.svg",
            category="Masks against truth",
            labels={"figure": "IoU by genus and structure"},
            caption="../report/iou_by_genus.rst",
        ),
        rounds=report(
            "results/plots/change_between_rounds.svg",
            category="Masks against truth",
            labels={"figure": "change between rounds"},
            caption="../report/change_between_rounds.rst",
        ),
        reliability=report(
            "results/plots/reliability.svg",
            category="Masks against truth",
            labels={"figure": "IoU by confidence"},
            caption="../report/reliability.rst",
        ),
        warning=report(
            "results/plots/warning_by_signal.svg",
            category="Masks against truth",
            labels={"figure": "signals that warn of bad masks"},
            caption="../report/warning_by_signal.rst",
        ),
    log:
        "logs/plot_evaluation.log",
    benchmark:
        "benchmarks/plot_evaluation.tsv"
    conda:
        "../../envs/light.yaml"
    params:
        program=program("plot_evaluation"),
    shell:
        "{params.program} --options {input.options} --tables results/tables --output {output} > {log} 2>&1"
