"""RunBackend class with methods for the APIs of runs that moto's SSM lacks or ends at once."""

from __future__ import annotations

import uuid
from collections import Counter
from threading import RLock
from typing import Any

from moto.core.base_backend import BackendDict, BaseBackend
from moto.ec2.models import ec2_backends
from moto.ec2.models.instances import Instance
from moto.ssm.exceptions import SSMException
from moto.ssm.models import Document as MotoDocument
from moto.ssm.models import Documents, ssm_backends

from sandbox import effects
from sandbox.drs.simulation import simulation
from sandbox.recovered.instances import RecoveredInstance
from sandbox.ssm.automations import Automation, automation_timeline
from sandbox.ssm.commands import Command, Invocation, invocation_timeline
from sandbox.ssm.documents import Document, RunOutcome, documents
from sandbox.ssm.filters import admits_automation, admits_command


class RunBackend(BaseBackend):
    """The commands and automations of one account and Region."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.commands: dict[str, Command] = {}
        self.automations: dict[str, Automation] = {}
        # By client token in lower case.
        self._tokens: dict[str, Automation] = {}
        # By the identity of a document, which a scenario creates once.
        self._runs: Counter[int] = Counter()
        # Many threads serve requests; a look-up of a token and the new run must be one step.
        self._lock = RLock()

    # Documents

    def documents_of_moto(self) -> dict[str, Documents]:
        """Return moto's documents, among them those of the scenario."""
        of_moto = ssm_backends[self.account_id][self.region_name]._documents
        with self._lock:
            for document in documents:
                if document.name not in of_moto and document.is_of(
                    self.account_id, self.region_name
                ):
                    of_moto[document.name] = _moto_documents(document, self.account_id)
        return of_moto

    def _document(self, name: str, kind: str, source_server_id: str | None) -> Document | None:
        """Return what the runs of a document do; None if there is no such document."""
        # A name can be an ARN.
        name = name.rpartition("/")[2]
        of_moto = self.documents_of_moto().get(name)
        if of_moto is None or of_moto.get_default_version().document_type != kind:
            return None
        found = (
            each
            for each in reversed(documents)
            if (each.name, each.type) == (name, kind)
            and each.is_of(self.account_id, self.region_name)
            and (not each.source_server_ids or source_server_id in each.source_server_ids)
        )
        return next(found, Document(name=name, type=kind))

    def _next_outcome(self, document: Document) -> RunOutcome:
        if len(document.outcome) == 1:
            return document.outcome[0]
        index = min(self._runs[id(document)], len(document.outcome) - 1)
        self._runs[id(document)] += 1
        return document.outcome[index]

    # Commands

    def send_command(self, request: dict[str, Any]) -> Command:
        with self._lock:
            name = request["DocumentName"]
            if self._document(name, "Command", None) is None:
                raise SSMException("InvalidDocument", f"Document {name} does not exist.")
            command = Command(str(uuid.uuid4()), simulation.now(), request)
            for instance in self._targets(request):
                document = self._document(name, "Command", _source_server_id(instance))
                assert document is not None, "checked above"
                _check_parameters(document, request, "InvalidParameters")
                command.listed_after = max(command.listed_after, document.listed_after_seconds)
                outcome = self._next_outcome(document)
                timeline = invocation_timeline(document, outcome, request)
                command.invocations[instance.id] = Invocation(
                    command, instance.id, document, timeline
                )
            self.commands[command.run_id] = command
            details = {
                "CommandId": command.run_id,
                "DocumentName": name,
                "InstanceIds": list(command.invocations),
                "Parameters": request.get("Parameters", {}),
            }
            self._record("SendCommand", request.get("Comment", ""), details)
            return command

    def _targets(self, request: dict[str, Any]) -> list[Instance]:
        named, targets = request.get("InstanceIds", []), request.get("Targets", [])
        if len(set(named)) != len(named):
            raise SSMException("DuplicateInstanceId", "An instance is named twice.")
        instances = ec2_backends[self.account_id][self.region_name].all_instances()
        online = {each.id: each for each in instances if _is_online(each)}
        offline = [each for each in named if each not in online]
        if offline or not (named or targets):
            message = f"Instances {offline} not in a valid state for account {self.account_id}"
            raise SSMException("InvalidInstanceId", message)
        if not targets:
            return [online[each] for each in named]
        return [
            each
            for each in online.values()
            if all(_is_target(each, target["Key"], target["Values"]) for target in targets)
        ]

    def command(self, command_id: str) -> Command:
        command = self.commands.get(command_id)
        if command is None:
            raise SSMException("InvalidCommandId", f"Command {command_id} does not exist.")
        return command

    def get_command_invocation(self, command_id: str, instance_id: str) -> Invocation:
        invocation = self.command(command_id).invocations.get(instance_id)
        if invocation is None:
            message = f"Command {command_id} was not sent to {instance_id}."
            raise SSMException("InvocationDoesNotExist", message)
        return invocation

    def list_commands(
        self, command_id: str | None, instance_id: str | None, filters: dict[str, str]
    ) -> list[Command]:
        now = simulation.now()
        chosen = [self.command(command_id)] if command_id else list(self.commands.values())
        return [
            command
            for command in chosen
            if command.is_listed(now)
            and (not instance_id or instance_id in command.invocations)
            and all(admits_command(command, key, value, now) for key, value in filters.items())
        ]

    def cancel_command(self, command_id: str, instance_ids: list[str]) -> None:
        with self._lock:
            command = self.command(command_id)
            offset = command.offset(simulation.now())
            # What is over stays as it is, and AWS says nothing of it.
            stopped = [
                each.instance_id
                for each in command.invocations.values()
                if each.instance_id in (instance_ids or command.invocations)
                and each.timeline.cancel(offset)
            ]
            self._record("CancelCommand", command_id, {"InstanceIds": stopped})

    # Automations

    def start_automation_execution(self, request: dict[str, Any]) -> Automation:
        with self._lock:
            # Tokens are case insensitive (API reference).
            token = request.get("ClientToken", "").lower()
            earlier = self._tokens.get(token)
            if earlier is not None:
                if _without_token(earlier.request) != _without_token(request):
                    message = f"The client token {token} was used with another request."
                    raise SSMException("IdempotentParameterMismatch", message)
                self._record_start(earlier, token, is_repeat=True)
                return earlier
            document = self._document(request["DocumentName"], "Automation", None)
            if document is None:
                message = f"There is no automation document {request['DocumentName']}."
                raise SSMException("AutomationDefinitionNotFoundException", message)
            _check_parameters(document, request, "InvalidAutomationExecutionParametersException")
            timeline = automation_timeline(document, self._next_outcome(document))
            automation = Automation(
                str(uuid.uuid4()),
                simulation.now(),
                request,
                self.account_id,
                document,
                timeline,
                listed_after=document.listed_after_seconds,
            )
            self.automations[automation.run_id] = automation
            if token:
                self._tokens[token] = automation
            self._record_start(automation, token, is_repeat=False)
            return automation

    def _record_start(self, automation: Automation, token: str, *, is_repeat: bool) -> None:
        details = {
            "AutomationExecutionId": automation.run_id,
            "DocumentName": automation.document.name,
            "Parameters": automation.request.get("Parameters", {}),
        }
        self._record("StartAutomationExecution", token, details, is_repeat=is_repeat)

    def automation(self, execution_id: str) -> Automation:
        automation = self.automations.get(execution_id)
        if automation is None:
            message = f"Automation execution {execution_id} does not exist."
            raise SSMException("AutomationExecutionNotFoundException", message)
        return automation

    def describe_automation_executions(self, filters: dict[str, list[str]]) -> list[Automation]:
        now = simulation.now()
        return [
            automation
            for automation in list(self.automations.values())
            if automation.is_listed(now)
            and all(
                admits_automation(automation, key, values, now) for key, values in filters.items()
            )
        ]

    def stop_automation_execution(self, execution_id: str) -> None:
        with self._lock:
            automation, now = self.automation(execution_id), simulation.now()
            status = automation.status(now)
            if not automation.timeline.cancel(automation.offset(now)):
                message = f"Automation execution {execution_id} is {status}."
                raise SSMException("InvalidAutomationStatusUpdateException", message)
            self._record("StopAutomationExecution", execution_id, {"Status": status})

    def _record(
        self, operation: str, key: str, details: dict[str, Any], *, is_repeat: bool = False
    ) -> None:
        effects.record(
            f"ssm.{operation}",
            account_id=self.account_id,
            region=self.region_name,
            key=key,
            details=details,
            is_repeat=is_repeat,
        )


run_backends = BackendDict(RunBackend, "ssm")


def _moto_documents(document: Document, account_id: str) -> Documents:
    # Moto's CreateDocument refuses the names of AWS's own documents.
    return Documents(
        MotoDocument(  # type: ignore[abstract]  # as in moto
            account_id=account_id,
            name=document.name,
            version_name="",
            content=document.content(),
            document_type=document.type,
            document_format="JSON",
            requires=[],
            attachments=[],
            target_type="/",
        )
    )


def _source_server_id(instance: Instance) -> str | None:
    if not isinstance(instance, RecoveredInstance):
        return None
    return instance.recovered.source_server.source_server_id


def _is_online(instance: Instance) -> bool:
    """Return whether Systems Manager knows an instance and can send commands to it."""
    if not isinstance(instance, RecoveredInstance):
        return instance.is_running()
    seconds = instance.recovered.running_seconds(simulation.now())
    return instance.is_running() and seconds >= instance.behavior.ssm_agent_seconds


def _is_target(instance: Instance, key: str, values: list[str]) -> bool:
    if key.lower() == "instanceids":
        return instance.id in values
    if not key.startswith("tag:"):
        raise NotImplementedError(f"the target {key}")
    tags = {each["key"]: each["value"] for each in instance.get_tags()}
    return tags.get(key.removeprefix("tag:")) in values


def _check_parameters(document: Document, request: dict[str, Any], code: str) -> None:
    given, names = request.get("Parameters", {}), document.parameter_names
    if names is not None and (unknown := [each for each in given if each not in names]):
        raise SSMException(code, f"Document {document.name} does not take {', '.join(unknown)}.")


def _without_token(request: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in request.items() if key != "ClientToken"}
