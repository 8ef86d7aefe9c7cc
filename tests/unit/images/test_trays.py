"""Finding the specimens of a tray, and their rows and columns."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from sam2pal.images.bodies import Body, completed
from sam2pal.images.foreground import Silhouette, to_lab
from sam2pal.images.rows import names_of, numbered
from sam2pal.images.trays import specimens_in

PAPER, DARK = (225, 222, 214), (50, 40, 35)


def beetle(pen: ImageDraw.ImageDraw, left: int, top: int, tone: tuple = DARK) -> None:
    """A body of 24 x 60 pixels with a head and six legs, in a box of 40 x 72."""
    pen.ellipse((left + 8, top + 22, left + 32, top + 72), tone)
    pen.ellipse((left + 10, top + 8, left + 30, top + 30), tone)
    pen.ellipse((left + 14, top, left + 26, top + 12), tone)
    for down in (20, 34, 48):
        pen.line((left, top + down + 8, left + 40, top + down), tone, 2)


def tray(places: list[tuple[int, int]], size: tuple[int, int]) -> Image.Image:
    image = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(image)
    for place in places:
        beetle(pen, *place)
    return image


@pytest.fixture(scope="module")
def known() -> list[Silhouette]:
    image = np.asarray(tray([(30, 14)], (100, 100)))
    return [Silhouette.of(image[..., 0] < 130, to_lab(image))]


PLACES = [(60 + 90 * column, 40 + 110 * row) for row in range(4) for column in range(6)]


def seen(image: Image.Image) -> np.ndarray:
    """With the grain that every photograph has."""
    grain = np.random.default_rng(1).normal(0, 2, (image.height, image.width, 1))
    return np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8)


def near(found: list, places: list[tuple[int, int]]) -> bool:
    """Whether there is one box at each place."""
    taken = {(round(one.box[1] / 10), round(one.box[0] / 10)) for one in found}
    return len(found) == len(taken) and taken == {(x // 10, y // 10) for x, y in places}


def test_each_specimen_is_found_with_its_limbs(known: list[Silhouette]) -> None:
    found = specimens_in(seen(tray(PLACES, (640, 480))), known)
    assert near(found, PLACES)
    assert all(abs(one.box[3] - 41) <= 3 and abs(one.box[2] - 73) <= 3 for one in found)
    assert not any(one.touching for one in found)


def test_labels_rulers_walls_and_empty_cells_are_none(known: list[Silhouette]) -> None:
    image = tray(PLACES[:9], (640, 640))
    pen = ImageDraw.Draw(image)
    for across in range(7):
        pen.line((35 + 90 * across, 25, 35 + 90 * across, 470), (30, 30, 30), 3)
    for down in range(5):
        pen.line((35, 25 + 110 * down, 575, 25 + 110 * down), (30, 30, 30), 3)
    pen.rectangle((60, 500, 140, 540), (255, 255, 255), (0, 0, 0))
    pen.text((66, 506), "Carabus 1907\nleg. Breit", (0, 0, 0))
    pen.rectangle((200, 500, 420, 530), (240, 240, 240))
    for tick in range(20):
        pen.rectangle((200 + 11 * tick, 500, 203 + 11 * tick, 515), (0, 0, 0))
    for patch in range(4):
        box = (450 + 40 * patch, 500, 480 + 40 * patch, 530)
        pen.rectangle(box, ("black", "red", "green", "gray")[patch])
    assert near(specimens_in(seen(image), known), PLACES[:9])


def test_limbs_do_not_go_on_along_walls_and_dark_labels_are_none(known: list[Silhouette]) -> None:
    image = tray(PLACES[:12], (640, 640))
    pen = ImageDraw.Draw(image)
    for left, top in PLACES[:12]:  # what labels leave of walls that legs touch
        pen.line((left, top + 30, left, top + 86), DARK, 2)
        pen.line((left, top + 85, left + 50, top + 85), DARK, 2)
    for left in range(60, 600, 90):
        pen.rectangle((left, 300, left + 40, 372), DARK)
    found = specimens_in(seen(image), known)
    assert near(found, PLACES[:12])
    assert all(abs(one.box[2] - 73) <= 3 for one in found)


def test_specimens_that_touch_are_parted_and_flagged(known: list[Silhouette]) -> None:
    places = [*PLACES[:6], (60, 260), (99, 252)]  # the last two touch by their legs
    found = specimens_in(seen(tray(places, (640, 400))), known)
    assert len(found) == 8
    flags = [one.touching for one in sorted(found, key=lambda one: one.box[0])]
    assert flags == [False] * 6 + [True] * 2


def test_small_specimens_of_a_wide_tray_are_found(known: list[Silhouette]) -> None:
    image = Image.new("RGB", (2000, 240), PAPER)
    image.paste(tray(PLACES, (640, 480)).resize((288, 216), Image.Resampling.BILINEAR), (40, 10))
    found = specimens_in(seen(image), known)
    assert len(found) == 24
    assert all(28 <= one.box[2] <= 36 for one in found)


def test_specimens_that_a_shadow_joins_do_not_touch(known: list[Silhouette]) -> None:
    image = tray([*PLACES[:6], (60, 260), (110, 252)], (640, 400))
    ImageDraw.Draw(image).line((101, 280, 109, 280), (150, 147, 142), 2)  # paler than the legs
    found = specimens_in(seen(image), known)
    assert len(found) == 8
    assert not any(one.touching for one in found)


def test_a_whole_that_is_nearly_as_alike_takes_the_place_of_its_parts() -> None:
    def region(top: int, height: int, likeness: float) -> Body:
        return Body((top, 10, height, 20), np.ones((height, 20), bool), likeness)

    head, abdomen, other = region(10, 20, 0.60), region(30, 30, 0.65), region(90, 30, 0.7)
    bent, with_limbs = region(10, 50, 0.6), region(28, 35, 0.64)
    assert completed([head, abdomen, other], [with_limbs, bent]) == [other, bent]
    two = region(30, 90, 0.5)  # two that touch are less alike together
    assert completed([abdomen, other], [two]) == [abdomen, other]


@pytest.mark.parametrize("ground", [PAPER, DARK])
def test_nothing_is_found_on_an_empty_tray(known: list[Silhouette], ground: tuple) -> None:
    assert specimens_in(seen(Image.new("RGB", (300, 200), ground)), known) == []


@pytest.mark.parametrize("tilt", [-4, 0, 3])
def test_rows_are_read_also_on_a_photograph_that_is_turned(tilt: float) -> None:
    boxes, wanted = [], []
    for row in range(3):
        for column in range(10):
            if (row, column) == (1, 4):
                continue  # an empty cell
            x, y = 100 * column, 80 * row + 7 * (column % 3)
            turn = np.radians(tilt)
            across, down = x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)
            boxes.append((across + 500, down + 500, 60, 50))
            wanted.append((row + 1, column + 1 - (row == 1 and column > 4)))
    order = np.random.default_rng(1).permutation(len(boxes))
    assert numbered([boxes[i] for i in order]) == [wanted[i] for i in order]


def test_names_have_two_digits_each_or_three() -> None:
    assert names_of([(2, 3), (1, 10)]) == ["0203", "0110"]
    assert names_of([(2, 3), (1, 100)]) == ["002003", "001100"]
    assert numbered([]) == [] and names_of([]) == []
