"""Which model."""

from pathlib import Path
from typing import Self

from pydantic import Field, StrictInt, model_validator

from sam2pal.config.fields import FilePath, Name, matching, options
from sam2pal.io.spelling import nearest

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
SHA256 = {  # of the published files, as several other projects pin them
    "sam2_hiera_tiny": "65b50056e05bcb13694174f51bb6da89c894b57b75ccdf0ba6352c597c5d1125",
    "sam2_hiera_small": "95949964d4e548409021d47b22712d5f1abf2564cc0c3c765ba599a24ac7dce3",
    "sam2_hiera_base_plus": "d0bb7f236400a49669ffdd1be617959a8b1d1065081789d7bbff88eded3a8071",
    "sam2_hiera_large": "7442e4e9b732a508f80e141e7c2913437a3610ee0c77381a66658c3a445df87b",
    "sam2.1_hiera_tiny": "7402e0d864fa82708a20fbd15bc84245c2f26dff0eb43a4b5b93452deb34be69",
    "sam2.1_hiera_small": "6d1aa6f30de5c92224f8172114de081d104bbd23dd9dc5c58996f0cad5dc4d38",
    "sam2.1_hiera_base_plus": "a2345aede8715ab1d5d31b4a509fb160c5a4af1970f199d9054ccfb746c004c5",
    "sam2.1_hiera_large": "2647878d5dfa5098f2f8649825738a9345572bae2d4350a2468587ece47dd318",
}
Sha256 = matching("[0-9a-fA-F]{64}", "a SHA-256 (64 hexadecimal digits)")


@options
class ModelOptions:
    """Which model."""

    name: Name = "bundled"
    """`bundled`; `sam2_hiera_` or `sam2.1_hiera_` with `tiny`, `small`, `base_plus` or `large`
    (downloaded once); or any name for a checkpoint of your own"""
    image_size: StrictInt | None = Field(None, ge=64, le=4096, multiple_of=32)
    """side of the square into which a photograph is fitted, pixels; `none` takes the model's own, on
    which it was trained: 256 for `bundled` (first 192), 1024 for SAM 2. On other squares `bundled` was
    not trained; 320 and 384 gain on one collection of real beetles and lose on another"""
    checkpoint: FilePath | None = None
    """path of the weights (.pt as SAM 2 writes it, or .safetensors), instead of a download"""
    config: FilePath | None = None
    """path of a SAM 2 model configuration, for a checkpoint of your own"""
    sha256: Sha256 | None = None
    """expected SHA-256 of the checkpoint; those of official downloads are known"""
    url: Name | None = None
    """address of an official checkpoint, if not its publisher's"""

    @property
    def bundled(self) -> bool:
        """Whether it is the model that the package brings along."""
        return self.name == "bundled" and not self.checkpoint

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.config is None and self.name != "bundled" and self.name not in OFFICIAL:
            known = ["bundled", *OFFICIAL]
            raise ValueError(
                f"unknown name '{self.name}'{nearest(self.name, known)}; known are "
                f"{', '.join(known)}; a model of your own needs `config` and `checkpoint`"
            )
        if self.config is not None and self.checkpoint is None:
            raise ValueError(
                f"'{self.name}' has a `config` but no `checkpoint`; give the path of its weights"
            )
        return self
