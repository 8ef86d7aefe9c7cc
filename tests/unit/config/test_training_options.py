import pytest

from sam2pal.config.training import ConfiguredTraining, TrainingOptions

LONGER = {"steps": 300, "views": 16, "bend": 0.05, "learning_rate": 5e-4, "palindrome": 0.0}


@pytest.mark.parametrize("templates, usual", [(1, {}), (2, {}), (3, LONGER), (9, LONGER)])
def test_three_templates_are_trained_on_for_longer(templates, usual):
    assert ConfiguredTraining().settled(templates) == TrainingOptions(**usual)


def test_what_is_said_holds_for_any_number_of_templates():
    said = {"steps": 7, "views": 2, "learning_rate": 1e-4, "palindrome": 0.5, "rank": 4}
    said["bend"] = 0.01
    for templates in (1, 5):
        assert ConfiguredTraining(**said).settled(templates) == TrainingOptions(**said)
    assert ConfiguredTraining(steps=7).settled(5) == TrainingOptions(**{**LONGER, "steps": 7})


def test_where_nothing_else_is_taught_the_palindrome_stays():
    alone = {"direct": 0.0, "distillation": 0.0}
    assert ConfiguredTraining(**alone).settled(5).palindrome == 1.0
