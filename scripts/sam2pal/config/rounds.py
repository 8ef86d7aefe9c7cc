"""Which templates a round uses, and how it trains."""

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool, StrictInt
from pydantic_core import PydanticCustomError

from sam2pal.config.fields import Name, options, unique
from sam2pal.config.training import TrainingSection

CORRECTIONS = "corrections"
"""Label of the corrections that are found by themselves."""


def _given(values: Any) -> Any:
    if values is None:
        raise PydanticCustomError(
            "nothing",
            "expected keys and values, found nothing; write {empty} to take the defaults",
            {"empty": "{}"},
        )
    return values


@options
class Round:
    """Which templates a round uses, and how it trains."""

    templates: Annotated[list[Name], Field(min_length=1), AfterValidator(unique)]
    """labels from the column `round` of `templates.tsv`; all rows with such a label serve this
    round. A genus without any has no such round. `corrections` adds all corrections so far (key
    `corrections` of the configuration)"""
    train: Annotated[TrainingSection | None, BeforeValidator(_given)] = None
    """overrides of `training` (`{}` for none); without this key the model is used untrained"""
    accepted: StrictBool = False
    """if `corrections` is among the templates, accepted masks also serve as templates: those of
    corrected specimens, and of up to `most_accepted` others"""
    most_accepted: StrictInt = Field(5, ge=1)
    """largest number of specimens without a correction whose accepted masks serve as templates:
    those with the most accepted masks"""
    init: Name | None = None
    """an earlier round from whose adapter training starts"""
