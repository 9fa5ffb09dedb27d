"""What each kind of step implements: how it starts, is found, polled and stopped, or checks."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from pydantic import JsonValue

from contract.steps import StartedStep, StepCall, StepResult
from recovery.steps.model import KindModel
from recovery.steps.state import CheckResult


@dataclass(frozen=True)
class ResolvedServer:
    """A server that is up, with its recovery instance."""

    source_server_id: str
    instance_id: str
    name: str
    private_ip: str = ""


@dataclass(frozen=True)
class ResolvedCall:
    """A call whose references are replaced.

    Attributes:
        call: as the wave sent it.
        spec: of the kind, without references.
        servers: those that it concerns, all up: the ones that its spec names, else the wave's.
        named: all servers of the call that are up, by source server ID.
        not_after: its effect must not be asked for after this time (`time.monotonic`).
        clock: epoch seconds, as Temporal has them.
        is_repeat: its effect may have been asked for before.
        before: what a `ReplacingStep` replaces; None if that is not known.
    """

    call: StepCall
    spec: KindModel
    servers: tuple[ResolvedServer, ...] = ()
    named: dict[str, ResolvedServer] = field(default_factory=dict)
    not_after: float = math.inf
    clock: Callable[[], float] = time.time
    is_repeat: bool = False
    before: JsonValue = None

    @property
    def seconds_left(self) -> float:
        """Until its deadline; negative after it."""
        return self.call.deadline - self.clock()


class StepRefusedError(Exception):
    """A step that certainly had no effect, for a reason that lasts: its attempt has failed."""


class OutcomeUnknownError(Exception):
    """A step whose start was not answered: it may have had its effect."""


class CannotFindError(Exception):
    """A step of which it cannot be found out whether it was started."""


class ActingStep(Protocol):
    """A kind of step that acts.

    A method may raise `AwsError`: nothing is known, so it is tried again.

    Attributes:
        may_repeat: `start` with the same attempt ID has its effect once, whatever was sent before.
    """

    may_repeat: bool

    async def start(self, step: ResolvedCall) -> StartedStep:
        """Start it; the one method that has an effect, asked for until `step.not_after`.

        Raises:
            StepRefusedError: it had none, and will have none.
            OutcomeUnknownError: it is not known if it had.
            AwsError: it had none, unless its kind is UNCLEAR.
        """
        ...

    async def find(self, step: ResolvedCall) -> StartedStep | None:
        """The start of an attempt that may have been sent; None if it certainly was not.

        Raises:
            CannotFindError: this kind, or this system, cannot say.
        """
        ...

    async def poll(self, step: ResolvedCall, started: StartedStep) -> StepResult | str:
        """Its result, or what it does meanwhile.

        `outputs` of the result is all of it (`recovery.steps.outputs.as_object`), from which the
        step's outputs are selected.
        """
        ...

    async def stop(self, step: ResolvedCall, started: StartedStep) -> str:
        """Stop it; what became of it, as a sentence.

        Raises:
            StepRefusedError: it was not stopped; another attempt has to look up what became of it.
        """
        ...


@runtime_checkable
class ReplacingStep(Protocol):
    """A kind of step that replaces a state, which can be put back."""

    async def state_before(self, step: ResolvedCall) -> JsonValue:
        """The state that it replaces, as `recovery.steps.replaced.ReplacedState`.

        Raises:
            StepRefusedError: it cannot be replaced.
            AwsError: it cannot be read.
        """
        ...


@dataclass(frozen=True)
class Probe:
    """What one try of a check saw.

    Attributes:
        evidence: such as status code, latency, DNS answer or alarm state; shown to people.
    """

    result: CheckResult
    evidence: str


class CheckStep(Protocol):
    """A kind of step that checks."""

    async def probe(self, step: ResolvedCall) -> Probe:
        """Try once. An `AwsError` counts as INCONCLUSIVE."""
        ...
