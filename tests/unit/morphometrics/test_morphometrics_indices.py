"""Indices: how expressions are read, and what is refused."""

import math

import pytest

from sam2pal.config.checking import validated
from sam2pal.config.measurement import MeasurementOptions
from sam2pal.io.errors import InputError
from sam2pal.morphometrics.measures.checking import check_structures
from sam2pal.morphometrics.measures.indices import parse_index

STRUCTURES = ["head", "antennae", "fore wing"]
VALUES = {
    ("head", "length"): 40.0,
    ("head", "width"): 50.0,
    ("head", "area"): 1600.0,
    ("head", "solidity"): 0.9,
    ("antennae", "length"): 75.0,
    ("antennae", "width"): None,
    ("fore wing", "length"): 200.0,
    ("specimen", "length"): 300.0,
}


def value(expression):
    return parse_index("i", expression, STRUCTURES).value(VALUES)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("100 * head.width / head.length", 125.0),
        ("head.length + head.width * 2", 140.0),
        ("(head.length + head.width) * 2", 180.0),
        ("head.length - head.width - 5 * head.length", -210.0),
        ("-head.length ** 2", -1600.0),
        ("2 ** 3 ** 2 * head.solidity", 512 * 0.9),
        ("head.length / head.width / 2", 0.4),
        ("sqrt(head.area) / head.length", 1.0),
        ("head.area ** 0.5 / head.length", 1.0),
        ("log(head.length / head.width)", math.log(0.8)),
        ("log10(head.area / head.length ** 2)", 0.0),
        ("exp(-abs(head.solidity - 1))", math.exp(-0.1)),
        ("1e2*antennae.length/ head.width", 150.0),
        ('"fore wing".length / specimen.length', 2 / 3),
        ("'fore wing'.length / .5e1", 40.0),
        ("head.length ** -1 * head.width", 1.25),
    ],
)
def test_values(expression, expected):
    assert value(expression) == pytest.approx(expected)


@pytest.mark.parametrize(
    "expression",
    [
        "antennae.length / antennae.width",  # missing
        "head.width / (head.length - head.length)",
        "log(head.solidity - 1)",
        "sqrt(head.length - head.width) / sqrt(head.length)",
        "(head.solidity - 1) ** 0.5",
        "exp(1e4 * head.solidity)",
        "0 ** -head.solidity",
    ],
)
def test_what_has_no_value_is_empty(expression):
    assert value(expression) is None


@pytest.mark.parametrize(
    ("expression", "exponent", "units"),
    [
        ("head.width / head.length", 0, ("1",)),
        ("sqrt(head.length * head.width)", 1, ("px", "mm")),
        ("head.length * head.width", 2, ("px2", "mm2")),
        ("head.area ** 1.5", 3, ("px3", "mm3")),
        ("head.length ** -1", -1, ("px-1", "mm-1")),
        ("2 ** head.solidity", 0, ("1",)),
    ],
)
def test_units_follow_from_the_measures(expression, exponent, units):
    index = parse_index("i", expression, STRUCTURES)
    assert index.exponent == exponent
    assert index.units == units


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("100 * haed.width", "unknown structure 'haed' (did you mean 'head'?)"),
        ("head.widht", "unknown measure 'widht' of 'head' (did you mean 'width'?)"),
        ("specimen.perimeter", "unknown measure 'perimeter' of 'specimen'"),
        ("head.length + head.area", "a length and an area cannot be added"),
        ("head.length - 1", "a length and a plain number cannot be added"),
        ("log(head.length)", "depends on the unit"),
        ("head.length ** head.solidity", "plain number only"),
        ("2 ** head.length", "an exponent must be"),
        ("head.length ^ 2", "a power is written **"),
        ("sqr(head.area)", "unknown function 'sqr' (did you mean 'sqrt'?)"),
        ("__import__('os').system('true')", "unknown function '__import__'"),
        ("head", "'head' alone"),
        ("head.", "expected the name of a measure"),
        ("head.length head.width", "'head' at character 13"),
        ("(head.length", "expected ')' at character 13, found the end"),
        ("head.length *", "it ends too early"),
        ("head.length; 1", "';' at character 12"),
        ("3 * 4", "uses no measure"),
        ("  ", "expected an expression"),
        ("(" * 900 + "head.length" + ")" * 900, "too many parentheses"),
    ],
)
def test_what_is_refused(expression, said):
    with pytest.raises(InputError) as error:
        parse_index("ci", expression, STRUCTURES)
    assert said in str(error.value)
    assert "'ci'" in str(error.value)


def test_an_expression_that_is_no_text():
    with pytest.raises(InputError, match="expected an expression, found 3"):
        parse_index("ci", 3, STRUCTURES)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"scale": ["exfi"]}, "genus, bar, ruler, card, exif (did you mean 'exif'?)"),
        ({"scale": "genus"}, "scale: expected a list, found 'genus'"),
        ({"body": ["head", "head"]}, "body: lists 'head' twice; remove one"),
        ({"body_axis": "pca"}, "'pca' is not one of inertia, ends"),
        ({"body_axis": "ends", "body": ["head"]}, "must list two structures or more"),
        ({"colour_erosion": True}, "expected a number, found true"),
        ({"min_part": 0.5}, "must be less than 0.5"),
        ({"low_confidence": 1.5}, "must be at most 1"),
        ({"indices": ["a"]}, "indices: expected keys and values"),
        ({"colour": "yes"}, "expected true or false, found 'yes'"),
        ({"colour_erosion": -1}, "must be at least 0, found -1"),
        ({"indexes": {}}, "unknown key 'indexes' (did you mean 'indices'?)"),
    ],
)
def test_options_that_are_refused(options, said):
    with pytest.raises(InputError) as error:
        validated(MeasurementOptions, options, "measurement")
    assert said in str(error.value)
    assert str(error.value).startswith("measurement")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"leave_out": ["permeter"]}, "unknown measure 'permeter' (did you mean 'perimeter'?)"),
        ({"body": ["haed"]}, "body: unknown structure 'haed' (did you mean 'head'?)"),
        ({"curved": ["antenna"]}, "curved: unknown structure 'antenna' (did you mean 'antennae'?)"),
        ({"indices": {"area": "head.width / head.length"}}, "it is the name of a measure"),
        ({"indices": {"i": "head.lab_l / 2"}, "colour": False}, "head.lab_l, which is left out"),
        ({"indices": {"i": "head.area / 2"}, "leave_out": ["area"]}, "left out of measuring"),
        ({"indices": {"i": "wing.area"}}, "unknown structure 'wing'"),
    ],
)
def test_names_are_checked_against_the_structures(options, said):
    with pytest.raises(InputError) as error:
        check_structures(MeasurementOptions(**options), STRUCTURES)
    assert said in str(error.value)


def test_specimen_is_no_name_for_a_structure():
    with pytest.raises(InputError, match="stands for the whole specimen"):
        check_structures(MeasurementOptions(), ["head", "specimen"])


def test_indices_keep_their_order():
    options = MeasurementOptions(indices={"b": "head.solidity", "a": "head.length"})
    assert [index.name for index in check_structures(options, STRUCTURES)] == ["b", "a"]
