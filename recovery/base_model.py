"""The base of every data model: snake_case in Python, PascalCase on the wire and in files."""

import re
from typing import Any

from pydantic import AfterValidator, BaseModel, ConfigDict
from pydantic.alias_generators import to_pascal


class Model(BaseModel):
    """A data model whose attributes are snake_case and whose JSON keys are PascalCase.

    Either spelling builds a model; JSON is always written in PascalCase, the vocabulary of DRS.
    Unknown keys are ignored: while a new version is rolled out, an old worker reads what a new
    one wrote.
    """

    model_config = ConfigDict(
        alias_generator=to_pascal,
        populate_by_name=True,
        serialize_by_alias=True,
        extra="ignore",
        frozen=False,
    )


class StrictModel(Model):
    """A model that people may write by hand: an unknown key is an error, never ignored."""

    model_config = ConfigDict(extra="forbid")


def matching(pattern: str, expected: str) -> Any:
    """A check of a text in such a model, which names no value: it may be a secret.

    Args:
        pattern: of the whole text.
        expected: what to write.
    """

    def check(value: str) -> str:
        if re.fullmatch(pattern, value) is None:
            raise ValueError(f"write {expected}")
        return value

    return AfterValidator(check)
