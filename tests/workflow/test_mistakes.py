"""A mistake in the configuration ends the call at once, with its message and no traceback."""

import copy
import json
import re
import shlex

import yaml
from running import CONFIG, Project, photographs


def test_several_mistakes_are_named_at_once(project: Project) -> None:
    config = copy.deepcopy(CONFIG) | {"sed": 1, "structure": {}}
    project.write(config)
    call = project.run("--dry-run", "--quiet")
    assert "unknown key 'sed' (did you mean 'seed'?)" in call.text
    assert call.code == 1 and "Traceback" not in call.text
    assert "unknown key 'structure' (did you mean 'structures'?)" in call.text


def test_own_configuration_does_not_mix_with_the_default_one(project: Project) -> None:
    own = {"structures": {"head": None}, "rounds": {"only": {"templates": ["first"]}}}
    (project.folder / "own.yaml").write_text(yaml.safe_dump(own))
    call = project.run("--dry-run", "--configfile", "own.yaml")
    assert call.code == 0
    assert {job for job in call.jobs if job.startswith("evaluate")} == {
        "evaluate Aus only",
        "evaluate Bus only",
    }
    typed = 'rounds={"typed": {"templates": ["first"]}}'  # what is typed wins
    call = project.run("--dry-run", "--configfile", "own.yaml", "--config", typed)
    assert {job for job in call.jobs if job.startswith("evaluate")} == {
        "evaluate Aus typed",
        "evaluate Bus typed",
    }


def test_metadata_may_hold_what_snakemake_takes_for_a_wildcard(project: Project) -> None:
    table = project.folder / "config/genera.tsv"
    table.write_text(table.read_text().replace("Italy", "{Italy} { a,b}{", 1))
    call = project.run("--dry-run")
    assert call.code == 0 and "aggregate" in call.names(), call.text
    shown = re.search(r"--metadata ('.*?')", project.run("--dry-run", "-p").text)
    assert shown and json.loads(shlex.split(shown[1])[0])["Aus"] == {"country": "{Italy} { a,b}{"}


def test_a_value_with_an_n_makes_no_dry_run(project: Project) -> None:
    """Snakemake takes `-junlimited` for `-j unlimited`; what a dry run ends with is said at its end."""
    end = "\nWhat there is to do:"
    dry = project.run("-nq", "rules").text
    assert dry.index(end) > dry.index("This was a dry-run")
    listed = project.run("-junlimited", "--list-rules").text
    assert "What there is to do:" in listed and listed.index("What there is") < listed.index("all")


def test_a_correction_of_a_photograph_that_changed_is_told(project: Project) -> None:
    photographs(project.folder / "data/Aus", range(3, 4), seed=9)
    call = project.run("--dry-run", "--quiet")
    assert call.code == 1 and "Traceback" not in call.text
    said = "specimen '0003': the photograph data/Aus/0003.png is not the file that was judged"
    assert f"config/corrections/Aus/corrections.json: {said}" in call.text


def test_a_correction_of_a_structure_that_was_renamed_is_told(project: Project) -> None:
    path = project.folder / "config/corrections/Aus/corrections.json"
    path.write_text(path.read_text().replace('"head"', '"heads"'))
    call = project.run("--dry-run", "--quiet")
    assert call.code == 0
    said = "left out what is said of 'heads', which is not among the structures"
    assert f"{said} (did you mean 'head'?)" in call.text
    assert call.text.count(said) == 1


def test_folders_of_results_have_names_that_a_shell_takes_as_they_are(project: Project) -> None:
    places = {name: f"größer_2.0/{name}" for name in ("results", "resources", "logs")}
    project.write(copy.deepcopy(CONFIG) | {"pathvars": places})
    assert project.run("--dry-run", "--quiet").code == 0
    for value, wrong in (("my results", " "), ("results;1", ";"), ("a$b", "$")):
        project.write(copy.deepcopy(CONFIG) | {"pathvars": places | {"logs": value}})
        call = project.run("--dry-run", "--quiet")
        assert call.code == 1 and "Traceback" not in call.text
        assert f"the folder of logs is '{value}', with '{wrong}'. Name it with letters" in call.text
