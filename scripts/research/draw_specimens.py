"""Draw the photographs of a made-up genus with the truth of every structure.

Writes into the output folder: photographs/, templates.json (the outlined specimens), truth.json
(all of them) and specimens.tsv (catalogue number, species, sex, scale). The photographs differ as
real ones do: mostly JPEG, and one each in grey, with 16 bits, with transparency and turned by an
EXIF tag. One specimen has lost its antennae and one its head, where the genus has any.
"""

import argparse
import csv
import io
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the library lies beside this folder

from sam2pal.cli import program, run
from sam2pal.dataset.files import Coco
from sam2pal.dataset.rle import encode_mask
from sam2pal.io.errors import InputError
from sam2pal.io.files import atomic
from sam2pal.io.spelling import nearest
from sam2pal.research.synthetic.anatomy import Species
from sam2pal.research.synthetic.photograph import Style, sample_style
from sam2pal.research.synthetic.species import KINDS, sample_relative, sample_species
from sam2pal.research.synthetic.specimen import DrawnPhotograph, draw_specimen

KEYS = ("genus", "specimen", "catalog_number", "species", "sex", "pixels_per_mm")
LOST = ("antennae", "head")  # what the last specimens but one have lost
ORIENTATION_TAG = 274
SPECIES_SEED = 28  # which genus of its kind
TURN = 15  # up to how many degrees off upright


def parse() -> argparse.Namespace:
    parser = program(__doc__)
    parser.add_argument("--genus", required=True, help="name of the genus")
    parser.add_argument("--kind", default="beetle", choices=sorted(KINDS), help="its body plan")
    parser.add_argument("--specimens", type=int, default=14, help="how many, templates included")
    parser.add_argument("--templates", type=int, default=1, help="how many are outlined")
    parser.add_argument("--structures", help="comma-separated; default: all that the kind has")
    parser.add_argument("--size", type=int, default=400, help="longer side in pixels")
    parser.add_argument("--broken", type=int, default=0, help="how many truncated files to add")
    parser.add_argument("--seed", type=int, default=1, help="which specimens of the genus")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    for name, least in (("specimens", 1), ("templates", 0), ("broken", 0), ("size", 64)):
        value = getattr(arguments, name)
        if value < least:
            raise InputError(f"--{name}: expected at least {least}, found {value}")
    if arguments.templates > arguments.specimens:
        raise InputError(
            f"--templates: {arguments.templates} of only {arguments.specimens} specimens"
        )
    seeds = [SPECIES_SEED, *arguments.kind.encode()]
    base = sample_species(np.random.default_rng(seeds), arguments.kind)
    structures = chosen_structures(arguments.structures, base)
    rng = np.random.default_rng([arguments.seed, *seeds])
    style = calm(sample_style(rng))
    others = [base, sample_relative(base, rng, 0.1, 0.2)]
    photographs = arguments.output / "photographs"
    photographs.mkdir(parents=True, exist_ok=True)

    lost = losses(arguments, structures)
    images, rows = [], []
    for number in range(arguments.specimens):
        is_template = number < arguments.templates
        species = int(not is_template and rng.random() < 0.35)
        drawing = draw_whole(others[species], rng, arguments, style, structures, lost.get(number))
        catalogue = f"{arguments.genus[:3].upper()}-{arguments.seed:02d}{number + 1:04d}"
        form = "rgb" if is_template else FORMS.get(number - arguments.templates, "rgb")
        name, masks = save(photographs, catalogue, drawing, form, structures)
        height, width = next(iter(masks.values())).shape
        images.append((name, width, height, masks))
        millimetres = 12.0 * float(np.exp(rng.normal(0, 0.06)))
        rows.append(
            (
                arguments.genus,
                catalogue,
                catalogue.replace("-", " "),
                ("prima", "secunda")[species],
                "female" if rng.random() < 0.5 else "male",
                f"{drawing.scale / millimetres:.3f}",
            )
        )
    for number in range(arguments.broken):
        write_truncated(photographs / f"{arguments.genus[:3].upper()}-broken{number + 1}.jpg")

    described = f"drawn specimens of the made-up genus {arguments.genus}"
    for file, shown in (("truth.json", images), ("templates.json", images[: arguments.templates])):
        coco = Coco(structures, description=described)
        for name, width, height, masks in shown:
            number = coco.image(file_name=name, width=width, height=height)
            for structure in structures:  # one that the specimen lacks has an empty mask
                coco.mask(number, structure, encode_mask(masks[structure]))
        coco.write(arguments.output / file)
    with (
        atomic(arguments.output / "specimens.tsv") as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerows([KEYS, *rows])
    print(
        f"{arguments.genus}: {arguments.specimens} specimens, {arguments.templates} templates, "
        f"{arguments.broken} truncated files in {arguments.output}",
        file=sys.stderr,
    )


# which specimen after the templates is stored how
FORMS = {1: "grey", 2: "16 bit", 3: "turned", 4: "alpha"}


def chosen_structures(text: str | None, species: Species) -> list[str]:
    """The structures to annotate, in the order given."""
    if not text:
        return list(species.structures)
    chosen = [name.strip() for name in text.split(",") if name.strip()]
    for name in chosen:
        if name not in species.structures:
            raise InputError(
                f"--structures: a {species.kind} has no '{name}'{nearest(name, species.structures)};"
                f" it has {', '.join(species.structures)}"
            )
    return chosen


def calm(style: Style) -> Style:
    """The style without what would make a demonstration hard."""
    return replace(
        style,
        backdrop="labels",
        crowd=0.0,
        scrap=0.0,
        tightness=0.1,
        exposure=float(np.clip(style.exposure, 0.95, 1.3)),
        gamma=min(style.gamma, 1.0),
        contrast=0.0,
        haze=max(style.haze, 0.03),
        sky=max(style.sky, 0.15),
        blur=0.4,
        shrink=1.0,
        noise=min(style.noise, 0.006),
        quality=95,
    )


def losses(arguments: argparse.Namespace, structures: list[str]) -> dict[int, str]:
    """Which specimens have lost what: among the last, never a template."""
    free = list(range(arguments.templates, arguments.specimens))[::-1]
    lost = [name for name in LOST if name in structures]
    return dict(zip(free[1:], lost, strict=False))


def draw_whole(
    species: Species,
    rng: np.random.Generator,
    arguments: argparse.Namespace,
    style: Style,
    structures: list[str],
    lost: str | None,
) -> DrawnPhotograph:
    """Draw until every structure shows that the specimen has not lost."""
    size = int(arguments.size * rng.uniform(0.9, 1.0))
    hidden = {child for child, parent in species.parents if parent == lost} | {lost}
    if lost == "head":
        hidden |= {"antennae"}
    for _ in range(20):
        drawing = draw_specimen(
            species,
            rng,
            size,
            style=style,
            frame="fit",
            orientation=(-TURN, TURN),
            missing=(lost,) if lost else (),
        )
        least = size * size * 1e-4
        if all(drawing.masks[name].sum() > least for name in structures if name not in hidden):
            break
    return drawing


def save(
    folder: Path, name: str, drawing: DrawnPhotograph, form: str, structures: list[str]
) -> tuple[str, dict[str, NDArray[np.bool_]]]:
    """Write the photograph in one of the forms; its file name, and the masks as it is stored."""
    masks = {structure: drawing.masks[structure] for structure in structures}
    image = Image.fromarray(drawing.pixels)
    if form == "16 bit":
        fine = drawing.pixels.astype(np.uint16) * 257
        with atomic(folder / f"{name}.tif") as temporary:
            tifffile.imwrite(temporary, fine, photometric="rgb", metadata=None, software="")
        return f"{name}.tif", masks
    if form in ("grey", "alpha"):
        with atomic(folder / f"{name}.png") as temporary:
            image.convert("L" if form == "grey" else "RGBA").save(temporary)
        return f"{name}.png", masks
    exif = Image.Exif()
    if form == "turned":
        # tag 6: to be shown, the stored picture is turned clockwise
        exif[ORIENTATION_TAG] = 6
        image = image.transpose(Image.Transpose.ROTATE_90)
        masks = {key: np.ascontiguousarray(np.rot90(mask)) for key, mask in masks.items()}
    with atomic(folder / f"{name}.jpg") as temporary:
        image.save(temporary, quality=92, exif=exif)
    return f"{name}.jpg", masks


def write_truncated(path: Path) -> None:
    """Write the first half of a JPEG file, as an interrupted copy leaves it."""
    generator = np.random.default_rng(0)
    with io.BytesIO() as buffer:
        Image.fromarray(generator.integers(0, 255, (64, 48, 3), np.uint8)).save(buffer, "JPEG")
        half = buffer.getvalue()[: buffer.tell() // 2]
    with atomic(path) as temporary:
        temporary.write_bytes(half)


if __name__ == "__main__":
    run(main)
