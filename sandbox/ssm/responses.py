"""Handles ssm requests for commands and automations; moto handles the rest."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.ssm import urls
from moto.ssm.exceptions import SSMException
from moto.ssm.models import SimpleSystemManagerBackend
from moto.ssm.responses import SimpleSystemManagerResponse

from sandbox.drs.exceptions import ValidationException
from sandbox.drs.pagination import Item, Key, paginate
from sandbox.drs.simulation import simulation
from sandbox.recovered import instances
from sandbox.ssm.models import RunBackend, run_backends

_PAGE_SIZE = 50


class RunResponse(SimpleSystemManagerResponse):
    """Handler for SSM requests and responses."""

    @property
    def run_backend(self) -> RunBackend:
        """Return the backend of runs specific for this region."""
        return run_backends[self.current_account][self.region]

    @property
    def ssm_backend(self) -> SimpleSystemManagerBackend:
        """Return moto's backend, with the scenario's documents."""
        self.run_backend.documents_of_moto()
        return super().ssm_backend

    def _page(
        self,
        name: str,
        items: Sequence[Item],
        *,
        key: Callable[[Item], Key],
        describe: Callable[[Item], dict[str, Any]],
    ) -> ActionResult:
        try:
            page, next_token = paginate(
                self._get_action(),
                items,
                key,
                self._get_param("MaxResults") or _PAGE_SIZE,
                self._get_param("NextToken"),
            )
        except ValidationException:
            raise SSMException("InvalidNextToken", "The token is not of this list.") from None
        return ActionResult({name: [describe(item) for item in page], "NextToken": next_token})

    # Commands

    def send_command(self) -> ActionResult:
        command = self.run_backend.send_command(json.loads(self.body))
        return ActionResult({"Command": command.describe(command.requested)})

    def get_command_invocation(self) -> ActionResult:
        invocation = self.run_backend.get_command_invocation(
            self._get_param("CommandId"), self._get_param("InstanceId")
        )
        return ActionResult(invocation.describe(simulation.now()))

    def list_commands(self) -> ActionResult:
        now = simulation.now()
        return self._page(
            "Commands",
            self.run_backend.list_commands(
                self._get_param("CommandId"), self._get_param("InstanceId"), self._filters()
            ),
            key=lambda command: (-command.requested, command.run_id),
            describe=lambda command: command.describe(now),
        )

    def list_command_invocations(self) -> ActionResult:
        now = simulation.now()
        instance_id = self._get_param("InstanceId")
        commands = self.run_backend.list_commands(
            self._get_param("CommandId"), instance_id, self._filters()
        )
        return self._page(
            "CommandInvocations",
            [
                invocation
                for command in commands
                for invocation in command.invocations.values()
                if instance_id in (None, invocation.instance_id)
            ],
            key=lambda each: (-each.command.requested, each.command.run_id, each.instance_id),
            describe=lambda each: each.describe_in_list(
                now, with_plugins=bool(self._get_param("Details"))
            ),
        )

    def _filters(self) -> dict[str, str]:
        return {each["key"]: each["value"] for each in self._get_param("Filters") or []}

    def cancel_command(self) -> ActionResult:
        self.run_backend.cancel_command(
            self._get_param("CommandId"), self._get_param("InstanceIds") or []
        )
        return EmptyResult()

    # Automations

    def start_automation_execution(self) -> ActionResult:
        automation = self.run_backend.start_automation_execution(json.loads(self.body))
        return ActionResult({"AutomationExecutionId": automation.run_id})

    def get_automation_execution(self) -> ActionResult:
        automation = self.run_backend.automation(self._get_param("AutomationExecutionId"))
        return ActionResult({"AutomationExecution": automation.describe(simulation.now())})

    def describe_automation_executions(self) -> ActionResult:
        now = simulation.now()
        filters = {each["Key"]: each["Values"] for each in self._get_param("Filters") or []}
        return self._page(
            "AutomationExecutionMetadataList",
            self.run_backend.describe_automation_executions(filters),
            key=lambda automation: (-automation.requested, automation.run_id),
            describe=lambda automation: automation.describe_in_list(now),
        )

    def stop_automation_execution(self) -> ActionResult:
        self.run_backend.stop_automation_execution(self._get_param("AutomationExecutionId"))
        return EmptyResult()


def register() -> None:
    """Make moto's SSM and EC2 know what is here. Idempotent."""
    instances.register()
    urls.url_paths["{0}/$"] = RunResponse.dispatch
