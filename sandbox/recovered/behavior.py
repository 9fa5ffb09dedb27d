"""What a recovered server does after its launch, by the scenario."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Literal

from moto.core.base_backend import BackendDict, BaseBackend
from pydantic import Field

from sandbox.drs import drs_backends
from sandbox.drs.models import DRSBackend
from sandbox.drs.servers.recovery_instances import RecoveryInstance
from sandbox.section import Delay, Section


class Answer(StrEnum):
    """How an application treats a connection.

    ANSWERS: tcp accepts it and keeps it open; http sends a response.
    FAILS: it is closed without a response.
    HANGS: tcp never accepts it, as behind a security group that drops packets; http accepts it and
        never sends a response.
    """

    ANSWERS = "answers"
    FAILS = "fails"
    HANGS = "hangs"


class Application(Section):
    """An application on a recovered server.

    Attributes:
        up_after_seconds: From its launch or start until it listens, before the speed factor.
        status: The HTTP status of its response.
        body: The body of its response.
        headers: Additional headers of its response.
    """

    port: Annotated[int, Field(ge=1, le=65535)]
    protocol: Literal["tcp", "http"] = "tcp"
    up_after_seconds: Delay = 0.0
    answer: Answer = Answer.ANSWERS
    status: Annotated[int, Field(ge=200, le=599)] = HTTPStatus.OK
    body: str = ""
    headers: dict[
        Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")],
        Annotated[str, Field(pattern=r"^[\x20-\x7e]*$")],
    ] = Field(default_factory=dict)


class RecoveredBehavior(Section):
    """What a recovered server does after its launch. Seconds are before the speed factor.

    Attributes:
        status_checks: The result of its EC2 status checks.
        status_check_seconds: From its launch or start to that result; `initializing` until then.
            DRS itself waits for the checks (documentation), so the default is 0.
        ssm_agent_seconds: From its launch or start until Systems Manager knows it.
        applications: What listens on its private address.
    """

    status_checks: Literal["ok", "impaired"] = "ok"
    status_check_seconds: Delay = 0.0
    ssm_agent_seconds: Delay = 0.0
    applications: tuple[Application, ...] = ()


class RecoveredServersBackend(BaseBackend):
    """The behavior of the recovered servers of one account and Region, by source server ID."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.behaviors: dict[str, RecoveredBehavior] = {}

    def behavior(self, source_server_id: str) -> RecoveredBehavior:
        """Return the behavior of the instances of a source server."""
        return self.behaviors.get(source_server_id, RecoveredBehavior())

    def recovery_instances(self) -> list[RecoveryInstance]:
        """Return the recovery instances that DRS ever launched here."""
        drs = self._drs()
        return list(drs.recovery_instances.values()) if drs else []

    def with_applications(self) -> Iterator[tuple[RecoveryInstance, tuple[Application, ...]]]:
        """Iterate over the recovery instances with applications."""
        drs = self._drs()
        for server_id, behavior in list(self.behaviors.items()):
            server = drs.source_servers.get(server_id) if drs and behavior.applications else None
            for instance in list(server.instances) if server else []:
                yield instance, behavior.applications

    def _drs(self) -> DRSBackend | None:
        # A lookup by index in moto's BackendDict would create the backend.
        account = drs_backends.get(self.account_id)
        return account.get(self.region_name) if account else None


recovered_backends = BackendDict(RecoveredServersBackend, "ec2")
