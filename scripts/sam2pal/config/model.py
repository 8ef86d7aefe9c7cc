"""Which model."""

from pathlib import Path
from typing import Self

from pydantic import Field, StrictInt, model_validator

from sam2pal.config.fields import Name, matching, options
from sam2pal.io.errors import nearest

BUNDLED_WEIGHTS = Path(__file__).parents[1] / "model/bundled/weights.safetensors"
_RELEASES = {  # facebookresearch/sam2, README "Download Checkpoints"
    "sam2": "https://dl.fbaipublicfiles.com/segment_anything_2/072824/",
    "sam2.1": "https://dl.fbaipublicfiles.com/segment_anything_2/092824/",
}
_SIZES = {"tiny": "t", "small": "s", "base_plus": "b+", "large": "l"}
# name: (configuration inside the package sam2, address of the checkpoint)
OFFICIAL = {
    f"{release}_hiera_{size}": (
        f"configs/{release}/{release}_hiera_{letter}.yaml",
        f"{folder}{release}_hiera_{size}.pt",
    )
    for release, folder in _RELEASES.items()
    for size, letter in _SIZES.items()
}
Sha256 = matching("[0-9a-fA-F]{64}", "a SHA-256 (64 hexadecimal digits)")


@options
class ModelOptions:
    """Which model."""

    name: Name = Field(
        "bundled",
        description="`bundled`; `sam2_hiera_` or `sam2.1_hiera_` with `tiny`, `small`, "
        "`base_plus` or `large` (downloaded once); or any name for a checkpoint of your own",
    )
    image_size: StrictInt | None = Field(
        None,
        ge=64,
        le=4096,
        multiple_of=32,
        description="side of the square a photograph is fitted into, pixels; the model's own if "
        "none is given",
    )
    checkpoint: Name | None = Field(
        None,
        description="path of the weights (.pt as SAM 2 writes it, or .safetensors), instead of a "
        "download",
    )
    config: Name | None = Field(
        None, description="path of a SAM 2 model configuration, for a checkpoint of your own"
    )
    sha256: Sha256 | None = Field(None, description="what the checkpoint's SHA-256 must be")
    url: Name | None = Field(
        None,
        description="where to download an official checkpoint from, if not from its publisher",
    )

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.config is None and self.name != "bundled" and self.name not in OFFICIAL:
            known = ["bundled", *OFFICIAL]
            raise ValueError(
                f"unknown name '{self.name}'{nearest(self.name, known)}; known are "
                f"{', '.join(known)}; a model of your own needs `config` and `checkpoint`"
            )
        if self.config is not None and self.checkpoint is None:
            raise ValueError(f"'{self.name}' has a `config` but no `checkpoint`")
        return self
