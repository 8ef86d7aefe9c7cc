"""Tables as people and their spreadsheets save them."""

import unicodedata

import pytest

from sam2pal.config.tables import read_genera
from sam2pal.dataset.specimen_table import SpecimenTable
from sam2pal.io.errors import InputError
from sam2pal.io.spelling import misspelt
from sam2pal.io.user_tables import number, read_user_table


def table(tmp_path, content, name="specimens.tsv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_user_table(path, ("genus", "specimen"))


@pytest.mark.parametrize(
    "content",
    [
        "genus\tspecimen\tnote\nA\tx\tbig\n",
        "genus;specimen;note\r\nA;x;big\r\n",
        "genus,specimen,note\rA,x,big\r",
        "\ufeffGenus\tSpecimen \tnote\n A\tx \tbig\n\n",
        "genus\tspecimen\tnote\t\t\nA\tx\tbig\t\t\n\t\t\t\t\n",
        'genus\tspecimen\tnote\nA\t"x"\t"big"\n',
        "genus\tspecimen\tnote\nA\tx\tbig\n".encode("utf-16"),
    ],
)
def test_the_same_table_however_it_was_saved(tmp_path, content):
    found = table(tmp_path, content)
    assert found.columns == ["genus", "specimen", "note"]
    assert [row for _, row in found.rows] == [{"genus": "A", "specimen": "x", "note": "big"}]


def test_the_separator_may_be_said_first(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("sep=;\na;b\n1;2\n3;4;5\n")
    with pytest.raises(InputError, match="line 4: 3 cells for 2 columns"):
        read_user_table(path)
    path.write_bytes("sep=;\na;b\n1;2,5\n".encode("utf-16-le"))
    assert read_user_table(path).rows == [(3, {"a": "1", "b": "2,5"})]


def test_what_is_unusual_is_noted(tmp_path):
    assert "separated by a semicolon" in table(tmp_path, "genus;specimen\nA;x\n").notes[0]
    found = table(tmp_path, "genus\tspecimen\nA\tK\u00e4fer\n".encode("cp1252"))
    assert found.rows[0][1]["specimen"] == "K\u00e4fer" and "Windows-1252" in found.notes[0]
    assert "UTF-16" in table(tmp_path, "genus\tspecimen\n".encode("utf-16")).notes[0]
    assert table(tmp_path, "genus\tspecimen\nA\tx\n").notes == []


@pytest.mark.parametrize("sign", ["\t", ";"])
def test_a_lone_quote_is_text_of_its_cell(tmp_path, sign):
    lines = ["genus,specimen,note", 'A,x,"tray 5', 'A,y,5" tray', "A,z,last"]
    found = table(tmp_path, "\n".join(lines).replace(",", sign))
    assert [row["note"] for _, row in found.rows] == ['"tray 5', '5" tray', "last"]
    assert [line for line, _ in found.rows] == [2, 3, 4]


def test_a_cell_of_several_lines_in_quotes_is_one_cell(tmp_path):
    found = table(tmp_path, 'genus\tspecimen\tnote\nA\tx\t"one\ntwo\tthree"\nA\ty\t\n')
    assert [(line, row["note"]) for line, row in found.rows] == [(2, "one\ntwo\tthree"), (4, "")]


def test_rows_of_other_lengths(tmp_path):
    assert table(tmp_path, "genus\tspecimen\tnote\nA\tx\n").rows[0][1]["note"] == ""
    with pytest.raises(InputError, match="line 3: 4 cells for 3 columns; the cell 'more'"):
        table(tmp_path, "genus\tspecimen\tnote\nA\tx\n\nA\ty\tm\tmore\n".replace("\n\n", "\n"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "it is empty"),
        ("\t\t\n", "it is empty"),
        ("genus\tGenus\n", "the column 'genus' occurs twice"),
        (b"genus\0specimen\n", "this is not text"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path, content, message):
    with pytest.raises(InputError, match=f"specimens.tsv.*{message}"):
        table(tmp_path, content)
    with pytest.raises(InputError, match="not a regular file"):
        read_user_table(tmp_path)


def test_cells_of_numbers():
    assert [number(cell, "x") for cell in ("27.5", " 27.5 ", "", "NA", "n/a")] == [
        27.5, 27.5, None, None, None
    ]  # fmt: skip
    with pytest.raises(InputError, match="line 2: '27,5' is not a number; .*write 27.5"):
        number("27,5", "line 2")
    with pytest.raises(InputError, match="line 2: '12_5' is not a number"):
        number("12_5", "line 2")


def test_names_are_joined_however_their_letters_are_composed(tmp_path):
    name = "K\u00e4fer"
    decomposed = unicodedata.normalize("NFD", name)
    path = tmp_path / "specimens.tsv"
    for typed, called in ((decomposed, name), (name, decomposed)):
        path.write_text(f"genus\tspecimen\tsex\nA\t{typed}\tm\n", encoding="utf-8")
        assert SpecimenTable(path).cells("A", called) == {"sex": "m"}
        assert SpecimenTable(path).unmatched("A", [called]) == ([], [])


GENERA = ("genus", "specimens", "truth", "landmarks", "pixels_per_mm", "layout", "boxes", "codes")
TERMS = """
acceptedNameUsage associatedMedia associatedOccurrences associatedReferences associatedSequences
associatedTaxa basisOfRecord bed behavior caste catalogNumber class collectionCode collectionID continent
coordinatePrecision coordinateUncertaintyInMeters country countryCode county cultivarEpithet
dataGeneralizations datasetID datasetName dateIdentified day decimalLatitude decimalLongitude
degreeOfEstablishment disposition dynamicProperties earliestAgeOrLowestStage establishmentMeans eventDate
eventID eventRemarks eventTime eventType family fieldNotes fieldNumber footprintWKT formation genericName
geodeticDatum geologicalContextID georeferencedBy georeferenceRemarks group habitat higherClassification
higherGeography identificationID identificationQualifier identificationRemarks
identificationVerificationStatus identifiedBy individualCount informationWithheld infraspecificEpithet
institutionCode institutionID island islandGroup kingdom language license lifeStage
lithostratigraphicTerms locality locationAccordingTo locationID locationRemarks maximumDepthInMeters
materialSampleID measurementAccuracy measurementID measurementType measurementUnit measurementValue
member minimumElevationInMeters modified month municipality nameAccordingTo namePublishedIn
nomenclaturalCode nomenclaturalStatus occurrenceID occurrenceRemarks occurrenceStatus order organismID
organismName originalNameUsage otherCatalogNumbers ownerInstitutionCode parentEventID phylum pathway
pointRadiusSpatialFit preparations previousIdentifications recordedBy recordNumber references
reproductiveCondition rightsHolder sampleSizeUnit sampleSizeValue samplingEffort samplingProtocol
scientificName scientificNameAuthorship scientificNameID sex specificEpithet startDayOfYear stateProvince
subfamily subgenus subtribe superfamily taxonConceptID taxonID taxonRank taxonRemarks taxonomicStatus
tribe typeStatus verbatimLocality verbatimEventDate vernacularName verticalDatum vitality waterBody year
accessURI providerManagedID pixelXDimension caption captureDevice resourceCreationTechnique
digitizationDate subjectPart subjectOrientation timeOfDay variant genus_author sex locality scale
scale_bar_note template_by truth_by photographer box drawer code codes_by notes note species subspecies
collector date magnification lens camera dpi mm_per_pixel elevation host plant loan owner tray
layout_note landmarks_by truth_note boxes_checked author specimen_id genus_id catalogue museum barcode
"""


def test_ordinary_columns_are_metadata():
    for known in (GENERA, ("genus", "specimen", "pixels_per_mm", "ac:scaleConversionFactor")):
        assert misspelt([*known[:2], *TERMS.split()], known) == []


@pytest.mark.parametrize(
    ("column", "meant"),
    [
        *((name, "pixels_per_mm") for name in
          ("pixels per mm", "pixel_per_mm", "px_per_mm", "px/mm", "Pixels/mm", "pixelspermillimetre",
           "Pixel pro mm", "pixels_pre_mm", "pixels_per_cm")),
        ("scaleConversionFactor", "ac:scaleConversionFactor"), ("thruth", "truth"), ("Truths", "truth"),
        ("layouts", "layout"), ("land marks", "landmarks"), ("landmark", "landmarks"), ("bboxes", "boxes"),
    ],
)  # fmt: skip
def test_a_column_that_is_called_almost_as_a_known_one_is_told(column, meant):
    known = (*GENERA, "ac:scaleConversionFactor")
    (said,) = misspelt(["genus", "specimens", "sex", column], known)
    assert said.startswith(f"unknown column '{column}': did you mean '{meant}'?")
    assert not misspelt(["genus", "specimens", column, meant], known)


def test_a_misspelt_column_stops_the_call(tmp_path):
    (tmp_path / "s.csv").write_text("genus,specimen,px_per_mm\nA,x,40\n")
    with pytest.raises(
        InputError, match=r"s.csv: unknown column 'px_per_mm': did you mean 'pixels_per_mm'"
    ):
        SpecimenTable(tmp_path / "s.csv")
    (tmp_path / "genera.tsv").write_text(
        "genus\tspecimens\tthruth\tlayouts\tsex\nA\tp\ta\tmany\tf\n"
    )
    with pytest.raises(InputError) as raised:
        read_genera(str(tmp_path / "genera.tsv"))
    assert "'thruth': did you mean 'truth'" in str(raised.value) and "'layouts'" in str(
        raised.value
    )
    assert "sex" not in str(raised.value)
