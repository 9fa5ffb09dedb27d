"""For whom the worker calls AWS: what its sessions in AWS are named after."""

import re
from typing import Self

from pydantic import ConfigDict

from recovery.base_model import Model

WORKER = "drs-waves"
# Source: the API reference of AssumeRole: 2 to 64 characters of these, and 256 a tag.
_LONGEST_NAME = 64
_LONGEST_TAG = 256
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_+=,.@-]")
_NOT_IN_TAGS = re.compile(r"[^\w .:/=+@-]")
_LONGEST_ACTOR = 32


class SessionIdentity(Model):
    """The execution and the actor that the worker calls AWS for; CloudTrail names them.

    It is as true as the request that it comes from.

    Attributes:
        execution_id: empty for what no execution has asked for alone, such as shared polls.
        actor: who started the execution, or its clean-up.
    """

    model_config = ConfigDict(frozen=True)

    plan_id: str = ""
    execution_id: str = ""
    actor: str = WORKER

    @classmethod
    def of(cls, plan_id: str, execution_id: str, actor: str) -> Self:
        """The identity for an execution; a long actor is cut, as each wave's start has it."""
        return cls(plan_id=plan_id, execution_id=execution_id, actor=actor[:_LONGEST_TAG])

    @property
    def session_name(self) -> str:
        """The name of the session: execution and actor.

        The beginning of a long execution ID is left out, for its end is what makes it unique.
        """
        if not self.execution_id:
            return self.source_identity
        actor = _name(self.actor)[:_LONGEST_ACTOR]
        room = _LONGEST_NAME - len(actor) - 1
        return f"{_name(self.execution_id)[-room:]},{actor}"

    @property
    def source_identity(self) -> str:
        """The actor, in the characters that STS takes."""
        return _name(self.actor)[:_LONGEST_NAME].ljust(2, "-")

    @property
    def tags(self) -> dict[str, str]:
        """The session's tags: plan, execution and actor, those that are known."""
        given = {"plan": self.plan_id, "execution": self.execution_id, "actor": self.actor}
        return {
            f"{WORKER}:{key}": _NOT_IN_TAGS.sub("-", value)[:_LONGEST_TAG]
            for key, value in given.items()
            if value
        }


def _name(text: str) -> str:
    return _NOT_IN_NAMES.sub("-", text) or "unknown"
