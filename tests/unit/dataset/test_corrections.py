"""What people said of masks: which files are refused, what stands, and what becomes of predictions."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sam2pal.dataset.convert import convert
from sam2pal.dataset.corrections import (
    Hashes,
    Judgement,
    check_genera,
    read_corrections,
    templates_of,
    write_templates,
)
from sam2pal.dataset.dataset import Dataset
from sam2pal.dataset.files import write
from sam2pal.dataset.judged import Corrections, convert_corrections
from sam2pal.dataset.photographs import Photographs
from sam2pal.dataset.plan import of_corrections
from sam2pal.dataset.recalibration import Labelled, Recalibration
from sam2pal.dataset.rle import encode_mask, fingerprint
from sam2pal.io.errors import InputError

STRUCTURES = {name: {"parent": None, "exclusive": True} for name in ("head", "elytra")}
WIDTH, HEIGHT = 12, 8
Say = Callable[..., Path]


def box(left: int, top: int, right: int, bottom: int) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[top:bottom, left:right] = True
    return mask


HEAD, ELYTRA, MENDED = box(1, 1, 4, 4), box(4, 1, 10, 7), box(1, 1, 6, 4)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "photographs"
    for number in range(3):
        (place / "box").mkdir(parents=True, exist_ok=True)
        pixels = np.full((HEIGHT, WIDTH, 3), 40 * number, np.uint8)
        Image.fromarray(pixels).save(place / f"box/{number}.png")
    return place


@pytest.fixture
def say(tmp_path: Path, folder: Path) -> Say:
    """Writes a file of corrections: verdicts `(specimen, structure, verdict, mask, round, judged)`."""

    def written(*verdicts: tuple, name: str = "one.json", **image_keys: Any) -> Path:
        images: dict[str, dict[str, Any]] = {}
        annotations = []
        for number, (specimen, structure, verdict, mask, *more) in enumerate(verdicts, 1):
            photograph = folder / f"{specimen}.png"
            images.setdefault(
                specimen,
                {"id": len(images) + 1, "file_name": f"{specimen}.png", "specimen": specimen,
                 "genus": "Aus", "width": WIDTH, "height": HEIGHT,
                 "sha256": hashlib.sha256(photograph.read_bytes()).hexdigest()} | image_keys,
            )  # fmt: skip
            round_, judged, at = (*more, *("", "", "")[len(more) :])
            annotations.append(
                {"id": number, "image_id": images[specimen]["id"],
                 "category_id": 1 + list(STRUCTURES).index(structure), "verdict": verdict,
                 "segmentation": [] if mask is None else encode_mask(mask),
                 "round": round_, "judged": judged, "at": at, "iscrowd": 0}
            )  # fmt: skip
        path = tmp_path / "corrections/Aus" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        categories = [{"id": i, "name": name} for i, name in enumerate(STRUCTURES, 1)]
        data = {"info": {"orientation": "stored"}, "images": list(images.values())}
        path.write_text(json.dumps(data | {"categories": categories, "annotations": annotations}))
        return path

    return written


def read(folder: Path, *files: Path) -> list[Judgement]:
    return read_corrections(files, "Aus", Photographs.of_folder(folder), list(STRUCTURES))[0]


def predicted(folder: Path, masks: dict[str, dict[str, np.ndarray]]) -> Dataset:
    return Dataset(predictions(folder, masks), where="predictions")


def predictions(folder: Path, masks: dict[str, dict[str, np.ndarray]]) -> dict[str, Any]:
    images, annotations = [], []
    for number, (specimen, of) in enumerate(masks.items(), 1):
        images.append(
            {"id": number, "file_name": f"{specimen}.png", "specimen": specimen,
             "path": str(folder / f"{specimen}.png"), "width": WIDTH, "height": HEIGHT}
        )  # fmt: skip
        for category, structure in enumerate(STRUCTURES, 1):
            rle = encode_mask(of[structure])
            annotations.append(
                {"id": len(annotations) + 1, "image_id": number, "category_id": category,
                 "segmentation": rle, "score": 0.3, "source": "predicted",
                 "areas": {"0.25": int(of[structure].sum()) + 5}}
            )  # fmt: skip
    categories = [{"id": i, "name": name} for i, name in enumerate(STRUCTURES, 1)]
    data = {"info": {"round": "r1"}, "images": images, "categories": categories}
    return data | {"annotations": annotations}


def applied(folder: Path, file: Path, dataset: Dataset, settle: bool = True) -> Dataset:
    data = convert_corrections([file], "Aus", Photographs.of_folder(folder), STRUCTURES)
    write(file.parent / "made/corrections.json", data)
    return Corrections(file.parent / "made/corrections.json").apply(dataset, settle)


def test_a_corrected_mask_stands_pixel_for_pixel_and_others_make_room(
    folder: Path, say: Say
) -> None:
    file = say(("box/0", "head", "corrected", MENDED), ("box/1", "elytra", "absent", None))
    both = {"head": HEAD, "elytra": ELYTRA}
    after = applied(folder, file, predicted(folder, {"box/0": both, "box/1": both, "box/2": both}))
    first, second, third = after.specimens
    assert np.array_equal(first.masks["head"], MENDED)
    assert first.annotations["head"].source == first.annotations["head"].verdict == "corrected"
    assert np.array_equal(first.masks["elytra"], ELYTRA & ~MENDED)
    assert first.annotations["elytra"].areas == {"0.25": ELYTRA.sum() + 5 - 6}
    assert second.annotations["elytra"].area == 0
    assert second.annotations["elytra"].verdict == "absent" and second.annotations["elytra"].by_hand
    assert np.array_equal(second.masks["head"], HEAD) and not second.annotations["head"].verdict
    assert {one.source for one in third.annotations.values()} == {"predicted"}


def test_a_mask_that_needs_correction_makes_room_too(folder: Path, say: Say) -> None:
    judged = fingerprint(encode_mask(ELYTRA))
    file = say(
        ("box/0", "head", "corrected", MENDED),
        ("box/0", "elytra", "needs_correction", None, "r1", judged),
    )
    dataset = predicted(folder, {"box/0": {"head": HEAD, "elytra": ELYTRA}})
    elytra = applied(folder, file, dataset).specimens[0].annotations["elytra"]
    assert elytra.verdict == "needs_correction"
    assert np.array_equal(elytra.mask(), ELYTRA & ~MENDED)


def test_what_is_hidden_or_outside_is_a_fact_and_no_mask(folder: Path, say: Say) -> None:
    dataset = predicted(folder, {"box/0": {"head": HEAD, "elytra": ELYTRA}})
    file = say(("box/0", "head", "hidden", None), ("box/0", "elytra", "outside", None))
    (known,) = applied(folder, file, dataset).specimens
    for structure, why in (("head", "hidden"), ("elytra", "outside")):
        annotation = known.annotations[structure]
        assert (annotation.state, annotation.source, annotation.area) == (why, "corrected", 0)
        assert annotation.before.area


def test_what_the_page_says_is_hidden_is_so_in_annotations_too(folder: Path, say: Say) -> None:
    nothing = np.zeros((HEIGHT, WIDTH), bool)
    file = say(
        ("box/0", "head", "hidden", nothing), ("box/0", "elytra", "outside", None),
        ("box/1", "head", "absent", nothing), ("box/1", "elytra", "corrected", ELYTRA),
    )  # fmt: skip
    found = Dataset(convert(file, folder, STRUCTURES), where="templates").by_specimen()
    said = {name: [of.state for of in one.annotations.values()] for name, one in found.items()}
    assert said == {"box/0": ["hidden", "outside"], "box/1": ["absent", "found"]}


def test_a_verdict_is_on_the_mask_that_was_judged(folder: Path, say: Say) -> None:
    judged = fingerprint(encode_mask(HEAD))
    file = say(
        ("box/0", "head", "rejected", None, "r1", judged),
        ("box/1", "head", "accepted", HEAD, "r1", judged),
        ("box/2", "head", "wrong_specimen", None, "r1", judged),
    )
    same = {name: {"head": HEAD, "elytra": ELYTRA} for name in ("box/0", "box/1", "box/2")}
    found = [
        s.annotations["head"] for s in applied(folder, file, predicted(folder, same)).specimens
    ]
    assert [one.verdict for one in found] == ["rejected", "accepted", "wrong_specimen"]
    assert found[1].score == 0.3 and found[1].source == "predicted"
    other = {name: {"head": MENDED, "elytra": ELYTRA} for name in same}
    found = [
        s.annotations["head"] for s in applied(folder, file, predicted(folder, other)).specimens
    ]
    assert [one.verdict for one in found] == ["", "accepted", "wrong_specimen"]
    assert np.array_equal(found[1].mask(), HEAD)  # what was accepted goes before what nobody saw
    scored = applied(folder, file, predicted(folder, other), settle=False).specimens[1]
    assert scored.annotations["head"].verdict == "" and np.array_equal(scored.masks["head"], MENDED)


def test_of_two_verdicts_on_one_mask_in_two_rounds_the_later_one_counts(
    folder: Path, say: Say
) -> None:
    judged = fingerprint(encode_mask(HEAD))
    first, second = "2026-01-01", "2026-02-01"
    file = say(
        ("box/0", "head", "accepted", HEAD, "r0", judged, first),
        ("box/0", "head", "rejected", None, "r1", judged, second),
        ("box/1", "head", "rejected", None, "r0", judged, first),
        ("box/1", "head", "accepted", HEAD, "r1", judged, second),
        ("box/2", "head", "accepted", MENDED, "r0", fingerprint(encode_mask(MENDED)), first),
        ("box/2", "head", "wrong_specimen", None, "r1", judged, second),
        ("box/0", "elytra", "accepted", ELYTRA, "r0", "", first),
        ("box/0", "elytra", "rejected", None, "r1", judged, second),  # another mask
    )
    same = {name: {"head": HEAD, "elytra": HEAD} for name in ("box/0", "box/1", "box/2")}
    found = applied(folder, file, predicted(folder, same)).specimens
    verdicts = [one.annotations["head"].verdict for one in found]
    assert verdicts == ["rejected", "accepted", "wrong_specimen"]
    assert found[0].annotations["elytra"].verdict == "accepted"
    serve = {(one.specimen, one.structure) for one in templates_of(read(folder, file), 3)}
    assert serve == {("box/1", "head"), ("box/0", "elytra")}
    known = Corrections(file.parent / "made/corrections.json").records()
    kept = {one["specimen"]: one["counts"] for one in known if one["round"] == "r0"}
    assert kept["box/2"] == encode_mask(MENDED)["counts"]


def test_which_verdict_is_later_does_not_depend_on_the_zone_of_a_clock(
    folder: Path, say: Say
) -> None:
    judged = fingerprint(encode_mask(HEAD))
    file = say(
        ("box/0", "head", "accepted", HEAD, "r0", judged, "2026-02-01T09:00:00+02:00"),
        ("box/0", "head", "rejected", None, "r1", judged, "2026-02-01T08:00:00.500Z"),
        ("box/1", "head", "rejected", None, "r0", judged, "2026-02-01T08:00:00.500Z"),
        ("box/1", "head", "accepted", HEAD, "r1", judged, "2026-02-01T06:00:01-05:00"),
        ("box/2", "head", "accepted", HEAD, "r0", judged, "2026-02-01T08:00"),
        ("box/2", "head", "rejected", None, "r1", judged, "2026-02-01T08:00:00.500Z"),
    )
    same = {name: {"head": HEAD, "elytra": HEAD} for name in ("box/0", "box/1", "box/2")}
    found = applied(folder, file, predicted(folder, same)).specimens
    verdicts = [one.annotations["head"].verdict for one in found]
    assert verdicts == ["rejected", "accepted", "rejected"]
    times = [one.at for one in read(folder, file)]
    assert times[0] == "2026-02-01T07:00:00.000Z"
    assert times[3:5] == ["2026-02-01T11:00:01.000Z", "2026-02-01T08:00:00.000Z"]
    with pytest.raises(InputError, match="structure 'head': its time `at` is 'today'; write it as"):
        read(folder, say(("box/0", "head", "accepted", HEAD, "r0", judged, "today")))


def test_templates_are_what_was_corrected_and_so_many_accepted(folder: Path, say: Say) -> None:
    file = say(
        ("box/0", "head", "corrected", MENDED),
        ("box/0", "elytra", "accepted", ELYTRA, "r1"),
        ("box/1", "head", "accepted", HEAD, "r1"),
        ("box/2", "head", "accepted", HEAD, "r1"),
        ("box/2", "elytra", "accepted", ELYTRA, "r1", "", "2026-01-01"),
        ("box/2", "elytra", "accepted", MENDED, "r2", "", "2026-02-01"),
        ("box/1", "elytra", "rejected", None, "r1"),
    )
    found = read(folder, file)
    assert [(t.specimen, t.structure) for t in templates_of(found)] == [("box/0", "head")]
    some = templates_of(found, 1)
    assert {t.specimen for t in some} == {"box/0", "box/2"} and len(some) == 4
    path = folder.parent / "templates.json"
    write_templates(path, some)
    templates = Dataset(
        convert(path, folder, STRUCTURES, genus="Aus"), source="drawn"
    ).by_specimen()
    assert np.array_equal(templates["box/0"].masks["head"], MENDED)
    assert np.array_equal(templates["box/2"].masks["elytra"], MENDED)  # accepted last
    write_templates(path, [])
    assert not path.exists()
    # named in templates.tsv like any annotation, only what a person drew is an outline
    drawn = Dataset(convert(file, folder, STRUCTURES), source="drawn").specimens
    assert [(s.specimen, list(s.masks)) for s in drawn] == [("box/0", ["head"])]


def test_templates_that_were_drawn_on_another_file_are_left_out(folder: Path, say: Say) -> None:
    file = say(("box/0", "head", "corrected", HEAD), ("box/1", "head", "corrected", HEAD))
    before = convert(file, folder, STRUCTURES)["info"]["notes"]
    Image.fromarray(np.full((HEIGHT, WIDTH, 3), 9, np.uint8)).save(folder / "box/1.png")
    data = convert(file, folder, STRUCTURES)
    (note,) = set(data["info"]["notes"]) - set(before)
    said = (
        f"the photograph {folder}/box/1.png is not the file it was drawn on; put the old one back"
    )
    assert note.startswith("left out: ") and said in note
    assert [image["specimen"] for image in data["images"]] == ["box/0"]
    Image.fromarray(np.full((HEIGHT, WIDTH, 3), 9, np.uint8)).save(folder / "box/0.png")
    with pytest.raises(InputError, match="is not the file it was drawn on"):
        convert(file, folder, STRUCTURES)


def test_the_same_said_twice_is_no_fault_and_another_thing_is(folder: Path, say: Say) -> None:
    one = say(("box/0", "head", "corrected", HEAD), name="one.json")
    two = say(("box/0", "head", "corrected", HEAD), name="two.json")
    assert len(read(folder, one, two)) == 2
    two = say(("box/0", "head", "corrected", MENDED), name="two.json")
    with pytest.raises(InputError, match=r"two\.json: specimen 'box/0', structure 'head': it is "
                       r"corrected, but corrected with another outline in .*one\.json"):  # fmt: skip
        read(folder, one, two)
    two = say(("box/0", "head", "absent", None), name="two.json")
    with pytest.raises(InputError, match="it is absent, but corrected in"):
        read(folder, one, two)


FAULTS = {
    "another photograph": (
        {"sha256": "0" * 64},
        "is not the file that was judged; it was replaced",
    ),
    "another size": ({"sha256": "", "width": 13}, "has 12 x 8 pixels, the correction 13 x 8"),
    "no such photograph": ({"specimen": "box/9", "file_name": "box/9.png"}, "no photograph"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_does_not_fit_is_refused(folder: Path, say: Say, name: str) -> None:
    keys, message = FAULTS[name]
    with pytest.raises(InputError, match=message):
        read(folder, say(("box/0", "head", "corrected", HEAD), **keys))


def test_verdicts_and_outlines_are_checked(folder: Path, say: Say) -> None:
    with pytest.raises(InputError, match=r"its verdict is 'acepted'; known are accepted,"):
        read(folder, say(("box/0", "head", "acepted", HEAD)))
    with pytest.raises(InputError, match="it is corrected but has no outline"):
        read(folder, say(("box/0", "head", "corrected", None)))
    wide = np.zeros((HEIGHT, WIDTH + 1), bool)
    wide[2:4, 2:4] = True
    file = say(("box/0", "head", "corrected", wide))
    with pytest.raises(InputError, match="13 x 8 pixels, but the photograph"):
        convert_corrections([file], "Aus", Photographs.of_folder(folder), STRUCTURES)
    file = say(("box/0", "head", "corrected", HEAD), genus="Cus")
    with pytest.raises(InputError, match=r"genus 'Cus', which has no row in genera\.tsv"):
        check_genera([file], file.parent, ["Aus", "Bus"])


def test_a_file_in_the_folder_of_a_genus_judges_no_other(folder: Path, say: Say) -> None:
    corrections = folder.parent / "corrections"
    file = say(("box/0", "head", "absent", None), name="anna/one.json")
    check_genera([file], corrections, ["Aus", "Bus"])
    say(("box/0", "head", "absent", None), genus="Bus", name="anna/one.json")
    with pytest.raises(
        InputError, match="genus 'Bus', but the file lies in the folder of 'Aus'; move"
    ):
        check_genera([file], corrections, ["Aus", "Bus"])


def test_a_hash_is_computed_again_only_of_a_file_that_changed(tmp_path: Path, folder: Path) -> None:
    kept, photograph = tmp_path / "hashes.json", folder / "box/0.png"
    hashes = Hashes(kept)
    first = hashes.of(str(photograph))
    hashes.save()
    said = json.loads(kept.read_text())
    said[str(photograph)][2] = "known"
    kept.write_text(json.dumps(said))
    assert Hashes(kept).of(str(photograph)) == "known"
    photograph.write_bytes(photograph.read_bytes() + b"\0")
    assert Hashes(kept).of(str(photograph)) not in (first, "known")
    kept.write_text('{"a": [')
    assert Hashes(kept).of(str(photograph)) not in (first, "known")


def test_a_rejected_correction_is_kept_and_used_for_nothing(folder: Path, say: Say) -> None:
    file = say(
        ("box/0", "head", "rejected", MENDED, "r1", "", "2026-02-01"),
        ("box/0", "elytra", "accepted", ELYTRA, "r1", "", "2026-01-01"),
        ("box/0", "elytra", "accepted", MENDED, "r2", "", "2026-02-01"),
        ("box/1", "head", "needs_correction", MENDED),
    )
    text = file.read_text("utf-8")
    for verdict in ("rejected", "needs_correction"):
        text = text.replace(f'"{verdict}"', f'"{verdict}", "source": "corrected", "by": "A. P."')
    file.write_text(text, "utf-8")
    assert templates_of(read(folder, file)) == []
    told = of_corrections(SimpleNamespace(rounds={}), {"Aus": read(folder, file), "Bus": []})
    assert told[0] == "Corrections of Aus: 2 accepted, 1 needs correction, 1 rejected"
    assert told[1] == "Corrections of Bus: none"
    both = {"head": HEAD, "elytra": ELYTRA}
    first, second = applied(
        folder, file, predicted(folder, {"box/0": both, "box/1": both})
    ).specimens
    for specimen, verdict in ((first, "rejected"), (second, "needs_correction")):
        head = specimen.annotations["head"]
        assert (head.verdict, head.source) == (verdict, "corrected")
        assert np.array_equal(head.mask(), MENDED)
    # and all of it is known to the page, masks of other rounds among it
    known = Corrections(file.parent / "made/corrections.json").records()
    found = {(one["specimen"], one["structure"], one["round"]): one for one in known}
    assert len(found) == 4
    for key, mask in {
        ("box/0", "head", "r1"): MENDED,
        ("box/0", "elytra", "r1"): ELYTRA,
        ("box/0", "elytra", "r2"): MENDED,
        ("box/1", "head", ""): MENDED,
    }.items():
        assert found[key]["counts"] == encode_mask(mask)["counts"]
    one = found["box/0", "head", "r1"]
    assert (one["at"], one["by"], one["source"]) == (
        "2026-02-01T00:00:00.000Z",
        "A. P.",
        "corrected",
    )
    photograph = (folder / "box/0.png").read_bytes()
    assert one["sha256"] == hashlib.sha256(photograph).hexdigest()
    assert (one["genus"], one["file_name"], one["width"]) == ("Aus", "box/0.png", WIDTH)


def test_judged_masks_move_the_confidence_of_the_others(folder: Path, say: Say) -> None:
    """What is corrected, accepted or rejected tells; that a mask needs a correction does not."""
    judged = fingerprint(encode_mask(HEAD))
    file = say(
        ("box/0", "head", "corrected", MENDED, "r1"),  # IoU 0.6: was not good
        ("box/0", "elytra", "accepted", ELYTRA, "r1"),
        ("box/1", "head", "rejected", None, "r1", judged),
        ("box/1", "elytra", "needs_correction", None, "r1", fingerprint(encode_mask(ELYTRA))),
    )
    names = ("box/0", "box/1", "box/2")
    path = folder.parent / "0001.json"
    masks = {name: {"head": HEAD, "elytra": ELYTRA} for name in names}
    content = predictions(folder, masks)
    for annotation in content["annotations"]:
        annotation |= {"confidence": {"unadapted": 0.6}}
    template = {"structure": "elytra", "probability": 0.6, "good": True}
    content["info"]["confidence"] = {"labelled": [template]}
    path.write_text(json.dumps(content))
    data = convert_corrections([file], "Aus", Photographs.of_folder(folder), STRUCTURES)
    write(folder.parent / "corrections.json", data)
    corrections = Corrections(folder.parent / "corrections.json")
    assert corrections.known == 0
    corrections.learn([path])
    assert corrections.known == 4
    known = [("elytra", 0.6, True)] * 2 + [("head", 0.6, False)] * 2
    expected = Recalibration.learn(Labelled(*of) for of in known)
    after = corrections.apply(Dataset(path)).specimens
    head, elytra = (after[2].annotations[name].score for name in STRUCTURES)
    assert head == pytest.approx(expected("head", 0.6)) and head < 0.5
    assert elytra == pytest.approx(expected("elytra", 0.6)) and elytra > 0.6
    assert after[0].annotations["head"].score is None  # a person drew it


def test_a_rejected_correction_tells_nothing_of_confidences(folder: Path, say: Say) -> None:
    file = say(("box/0", "head", "rejected", MENDED, "r1"))
    text = file.read_text("utf-8").replace('"rejected"', '"rejected", "source": "corrected"')
    file.write_text(text, "utf-8")
    content = predictions(folder, {"box/0": {"head": HEAD, "elytra": ELYTRA}})
    for annotation in content["annotations"]:
        annotation |= {"confidence": {"unadapted": 0.6}}
    path = folder.parent / "0001.json"
    path.write_text(json.dumps(content))
    data = convert_corrections([file], "Aus", Photographs.of_folder(folder), STRUCTURES)
    write(folder.parent / "corrections.json", data)
    corrections = Corrections(folder.parent / "corrections.json")
    corrections.learn([path])
    assert corrections.known == 0
