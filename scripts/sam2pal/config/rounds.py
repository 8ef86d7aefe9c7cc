"""Which templates a round uses, and how it trains."""

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from sam2pal.config.fields import Name, options, unique
from sam2pal.config.training import TrainingSection


def _given(values: Any) -> Any:
    if values is None:
        raise PydanticCustomError("nothing", "expected keys and values, found nothing")
    return values


@options
class Round:
    """Which templates a round uses, and how it trains."""

    templates: Annotated[list[Name], Field(min_length=1), AfterValidator(unique)] = Field(
        description="labels of `templates.tsv`'s column `round`; all rows so labelled serve this "
        "round. A genus without any is left out of it"
    )
    train: Annotated[TrainingSection | None, BeforeValidator(_given)] = Field(
        None,
        description="overrides of `training` (`{}` for none); without this key the model is used "
        "untrained",
    )
    init: Name | None = Field(
        None, description="an earlier round whose adapter training starts from"
    )
