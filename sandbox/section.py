"""What the sections of a scenario file have in common."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_pascal


class Section(BaseModel):
    """A section of a scenario file. Its keys are in PascalCase."""

    model_config = ConfigDict(alias_generator=to_pascal, populate_by_name=True, extra="forbid")


def _account_as_text(value: object) -> object:
    # YAML reads an unquoted account ID as a number.
    return f"{value:012d}" if isinstance(value, int) and not isinstance(value, bool) else value


def _never_as_infinity(value: object) -> object:
    return math.inf if value == "never" else value


AccountId = Annotated[str, BeforeValidator(_account_as_text), Field(pattern=r"^[0-9]{12}$")]
Region = Annotated[str, Field(pattern=r"^[a-z]{2,4}(-[a-z]+)+-[0-9]$")]
SourceServerId = Annotated[str, Field(pattern=r"^s-[0-9a-zA-Z]{17}$")]
Seconds = Annotated[float, Field(gt=0)]
# A number of seconds from 0, or `never`, which is read as infinity.
Delay = Annotated[float, BeforeValidator(_never_as_infinity), Field(ge=0)]
