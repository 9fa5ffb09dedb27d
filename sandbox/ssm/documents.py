"""The scenario's documents of Systems Manager: what their runs do."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from sandbox.section import AccountId, Delay, Region, Section, SourceServerId


class RunOutcome(StrEnum):
    """The outcome of one run of a document.

    TIMED_OUT: it times out at its end.
    STUCK: it goes on until the execution timeout of a command; an automation never ends.
    NOT_DELIVERED: a command stays Pending until its delivery timeout.
    """

    SUCCESS = "success"
    FAILED = "failed"
    TIMED_OUT = "timed-out"
    STUCK = "stuck"
    NOT_DELIVERED = "not-delivered"


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


class Document(Section):
    """A document, and what its runs do.

    Attributes:
        type: A Command is sent to instances; an Automation runs by itself.
        region: Its Region; None means every one.
        account_id: Its account; None means every one.
        source_server_ids: Commands to instances of these servers only; empty means any instance.
        parameter_names: The parameters that it takes, each optional; None means any.
        outcome: The outcomes of successive runs. The last outcome repeats.
        seconds: The duration of a run, before the speed factor.
        listed_after_seconds: So long after its acceptance, lists do not name a run. Before the
            speed factor.
        output: The standard output of a command.
        error_output: The error output of a command.
        outputs: Those of an automation that succeeds; each is a text or a list.
        failure_message: That of a run that does not succeed.
    """

    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_\-.]{3,128}$")]
    type: Literal["Command", "Automation"] = "Automation"
    region: Region | None = None
    account_id: AccountId | None = None
    source_server_ids: tuple[SourceServerId, ...] = ()
    parameter_names: tuple[str, ...] | None = None
    outcome: Annotated[tuple[RunOutcome, ...], BeforeValidator(_as_list), Field(min_length=1)] = (
        RunOutcome.SUCCESS,
    )
    seconds: Delay = 5.0
    listed_after_seconds: Delay = 0.0
    output: Annotated[str, Field(max_length=24_000)] = ""
    error_output: Annotated[str, Field(max_length=8_000)] = ""
    outputs: dict[str, Annotated[tuple[str, ...], BeforeValidator(_as_list)]] = Field(
        default_factory=dict
    )
    failure_message: str = "Failed by the scenario."

    @model_validator(mode="after")
    def _check_type(self) -> Self:
        command = {"source_server_ids", "output", "error_output"}
        wrong = self.model_fields_set & ({"outputs"} if self.type == "Command" else command)
        if wrong:
            names = ", ".join(sorted(str(type(self).model_fields[name].alias) for name in wrong))
            raise ValueError(f"a document of Type {self.type} does not support {names}")
        if self.type == "Automation" and RunOutcome.NOT_DELIVERED in self.outcome:
            raise ValueError("only a document of Type Command can be not-delivered")
        return self

    def is_of(self, account_id: str, region: str) -> bool:
        """Return whether an account and Region have it."""
        return self.account_id in (None, account_id) and self.region in (None, region)

    def content(self) -> str:
        """Return its content, which moto describes."""
        kind = {"type": "String" if self.type == "Automation" else "StringList"}
        parameters = {
            name: {**kind, "description": name, "default": "" if self.type == "Automation" else []}
            for name in self.parameter_names or ()
        }
        content: dict[str, Any] = {"description": self.name, "parameters": parameters}
        if self.type == "Automation":
            step = {"name": "run", "action": "aws:sleep", "inputs": {"Duration": "PT1S"}}
            return json.dumps({"schemaVersion": "0.3", **content, "mainSteps": [step]})
        step = {"name": "run", "action": "aws:runShellScript", "inputs": {"runCommand": ["true"]}}
        return json.dumps({"schemaVersion": "2.2", **content, "mainSteps": [step]})


# AWS has them in every account.
_OF_AWS = tuple(
    Document(name=name, type="Command", seconds=2.0)
    for name in ("AWS-RunShellScript", "AWS-RunPowerShellScript")
)

documents: list[Document] = list(_OF_AWS)
"""Those of all accounts and Regions; later ones hold."""


def clear() -> None:
    """Keep only AWS's own documents, as at the start of a sandbox."""
    documents[:] = _OF_AWS
