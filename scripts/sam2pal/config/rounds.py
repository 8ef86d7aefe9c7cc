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
        raise PydanticCustomError("nothing", "expected keys and values, found nothing")
    return values


@options
class Round:
    """Which templates a round uses, and how it trains."""

    templates: Annotated[list[Name], Field(min_length=1), AfterValidator(unique)]
    """labels of `templates.tsv`'s column `round`; all rows so labelled serve this round. A genus
    without any is left out of it. `corrections` also means what was corrected so far (key
    `corrections` of the configuration)"""
    train: Annotated[TrainingSection | None, BeforeValidator(_given)] = None
    """overrides of `training` (`{}` for none); without this key the model is used untrained"""
    accepted: StrictBool = False
    """with `corrections` among the templates, accepted masks serve as templates too: those of
    corrected specimens, and of `most_accepted` others"""
    most_accepted: StrictInt = Field(5, ge=1)
    """specimens of which nothing was corrected whose accepted masks serve, at most: those with most
    of them"""
    init: Name | None = None
    """an earlier round whose adapter training starts from"""
