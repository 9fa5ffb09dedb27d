"""What the services keep besides moto's state: scripts, repeats, changes that are not INSYNC."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import RLock
from typing import Any, Generic, TypeVar

from moto.core.base_backend import BackendDict, BaseBackend

from sandbox.drs import drs_backends
from sandbox.drs.servers.recovery_instances import RecoveryInstance
from sandbox.drs.simulation import simulation
from sandbox.services.scripts import (
    Alarm,
    Function,
    FunctionAnswer,
    HttpAnswer,
    HttpPath,
    TargetGroup,
)

GLOBAL_REGION = "us-east-1"
"""Where the state of services without Regions is."""

_Answer = TypeVar("_Answer", FunctionAnswer, HttpAnswer)


@dataclass
class AnswerSequence(Generic[_Answer]):
    """Successive answers, and those that a repeat gets again."""

    answers: Sequence[_Answer]
    _given: int = 0
    _by_key: dict[str, _Answer] = field(default_factory=dict)

    def next(
        self, key: str = "", *, is_kept: Callable[[_Answer], bool] = lambda _: True
    ) -> tuple[_Answer, bool]:
        """Return the next answer and whether it is a repeat: its key, if any, was there before.

        Args:
            key: By which a repeat is recognized; empty means none is.
            is_kept: Whether a repeat gets an answer again.
        """
        if key in self._by_key:
            return self._by_key[key], True
        answer = self.answers[min(self._given, len(self.answers) - 1)]
        self._given += 1
        if key and is_kept(answer):
            self._by_key[key] = answer
        return answer, False


@dataclass
class ScriptedAlarm:
    """The script of an alarm, since when, and which of its states the alarm got last."""

    script: Alarm
    since: float
    applied: int | None = None


@dataclass(frozen=True)
class Change:
    """A change of a hosted zone.

    Attributes:
        records_before: The zone's records before it, which name servers have until it is INSYNC.
    """

    change_id: str
    zone_id: str
    submitted: float
    in_sync_at: float
    records_before: Sequence[Any]

    @property
    def is_in_sync(self) -> bool:
        """Whether all name servers have it."""
        return self.in_sync_at <= simulation.now()


class ScriptedBackend(BaseBackend):
    """The scripts and the additional state of one account and Region."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.lock = RLock()
        self.functions: dict[str, tuple[Function, AnswerSequence[FunctionAnswer]]] = {}
        self.alarms: dict[str, ScriptedAlarm] = {}
        self.target_groups: dict[str, TargetGroup] = {}
        # By the ARN of the group and the target: epoch seconds.
        self.registrations: dict[tuple[str, str], float] = {}
        self.change_seconds: dict[str, float] = {}
        self.changes: dict[str, Change] = {}
        # By path and method; None is every other method.
        self.http_paths: dict[
            tuple[str, str | None], tuple[HttpPath, AnswerSequence[HttpAnswer]]
        ] = {}


scripted_backends = BackendDict(ScriptedBackend, "lambda")


def delayed(since: float, seconds: float) -> float:
    """Return when so many seconds, before the speed factor, have passed."""
    return since + seconds / simulation.speed


def last_reached(times: Sequence[float]) -> int:
    """Return the index of the last of these times that is reached, or -1."""
    now = simulation.now()
    return max((index for index, at in enumerate(times) if at <= now), default=-1)


def launches(account_id: str, source_server_ids: Sequence[str]) -> list[tuple[str, float]]:
    """Return the existing recovery instances of servers: the ID, and when it was launched."""
    now = simulation.now()
    return [
        (instance.recovery_instance_id, instance.launched_at)
        for instance in _recovery_instances(account_id)
        if instance.source_server.source_server_id in source_server_ids and instance.exists(now)
    ]


def terminated(account_id: str) -> list[str]:
    """Return the IDs of the recovery instances that do not exist any more."""
    now = simulation.now()
    return [
        instance.recovery_instance_id
        for instance in _recovery_instances(account_id)
        if instance.terminated_at is not None and instance.terminated_at <= now
    ]


def _recovery_instances(account_id: str) -> list[RecoveryInstance]:
    # A lookup by index in moto's BackendDict would create the account.
    account = drs_backends.get(account_id)
    backends = list(account.values()) if account else []
    return [each for drs in backends for each in list(drs.recovery_instances.values())]


def last_launch(account_id: str, source_server_id: str) -> float:
    """Return when a server was last launched; infinity if none of its instances exists."""
    return max((at for _, at in launches(account_id, [source_server_id])), default=math.inf)
