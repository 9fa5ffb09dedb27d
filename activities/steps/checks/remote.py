"""Checks that are tried from a server, by Systems Manager.

What runs there is a fixed script for each platform. Values reach it as one argument in base64, so
that none of them is ever text of a command.
"""

import asyncio
import base64
import binascii
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files

from activities.outbound.addresses import loopback_is_allowed
from activities.steps.checks.all_servers import verdict
from activities.steps.checks.verdicts import of_dns, of_http, parsed_dns_value
from activities.steps.interface import Probe, ResolvedCall
from activities.steps.step_clients import StepClients
from aws.errors import AwsError
from recovery.plan.model import Target
from recovery.steps.model import Dns, HttpGet, Tcp
from recovery.steps.state import CheckResult

_MARK = "drs-waves"
_VALUES = 5
# Their answers fit into the 24,000 characters that Systems Manager keeps of an output.
_TARGETS_PER_COMMAND = 50
# Source: the API reference of SendCommand: the shortest time for the delivery.
_DELIVERY_SECONDS = 30
_RUN_SECONDS = 60
_ANSWER_SECONDS = 100.0
_ENDED = ("Success", "Cancelled", "TimedOut", "Failed")


@dataclass(frozen=True)
class _Platform:
    document: str
    script: str
    before: str


_PLATFORMS = {
    "Linux": _Platform("AWS-RunShellScript", "probe.sh", "set -- {}"),
    "Windows": _Platform("AWS-RunPowerShellScript", "probe.ps1", "$encoded = '{}'"),
}


class _CannotCheckError(Exception):
    """The server could not try it. The message says why."""


@dataclass(frozen=True)
class Answer:
    """What a server saw of one target."""

    outcome: str
    milliseconds: int
    status: str
    contains: bool
    text: str


def commands(platform: str, values: Sequence[str], targets: Sequence[str]) -> list[str]:
    """The lines of a command: the encoded values, and the script.

    Args:
        platform: of the server: Linux or Windows.
        values: the kind of check and what it needs, each on one line.
        targets: hosts; each is tried.
    """
    loopback = "yes" if loopback_is_allowed() else "no"
    kind, *rest = values
    lines = [kind, loopback, *rest, *[""] * (_VALUES - len(rest)), *targets]
    encoded = base64.b64encode("\n".join(lines).encode()).decode()
    found = _PLATFORMS[platform]
    script = files("activities.steps.checks").joinpath("scripts", found.script).read_text()
    return [found.before.format(encoded), *script.splitlines()]


def parsed(output: str, count: int) -> list[Answer | None]:
    """The answers in a script's output, one for each target; None where there is none."""
    found: dict[int, Answer] = {}
    for line in output.splitlines():
        match line.split():
            case [mark, number, outcome, spent, status, contains, text] if mark == _MARK:
                try:
                    shown = "" if text == "-" else base64.b64decode(text).decode(errors="replace")
                    found[int(number)] = Answer(
                        outcome, int(spent), status, contains == "yes", shown
                    )
                except (ValueError, binascii.Error):
                    continue
    return [found.get(number) for number in range(1, count + 1)]


class RemoteChecks:
    """Checks that are tried from a server."""

    def __init__(self, clients: StepClients) -> None:
        self._services = clients.services
        self._pause = max(0.05, 1.0 / clients.settings.speed)

    async def tcp(self, step: ResolvedCall, spec: Tcp, from_id: str) -> Probe:
        """Connect from a server."""

        def judged(host: str, answer: Answer) -> Probe:
            place = f"port {spec.port} of {host}"
            if answer.outcome == "passed":
                evidence = f"{place} accepts connections, after {answer.milliseconds} ms"
                return Probe(CheckResult.PASSED, evidence)
            return Probe(CheckResult.FAILED, f"{place}: {answer.text}")

        return await self._probe(step, from_id, ["tcp", str(spec.port)], spec.host, judged)

    async def http_get(self, step: ResolvedCall, spec: HttpGet, from_id: str) -> Probe:
        """Ask from a server."""

        def judged(host: str, answer: Answer) -> Probe:
            if answer.outcome != "answered" or not answer.status.isdecimal():
                return Probe(CheckResult.FAILED, f"{host}: {answer.text}")
            return of_http(
                spec,
                int(answer.status),
                answer.text,
                answer.milliseconds,
                contains=answer.contains,
            )

        verify = "yes" if spec.verify_tls else "no"
        values = ["http", spec.scheme, str(spec.port), spec.path, verify, spec.contains or ""]
        return await self._probe(step, from_id, values, spec.host, judged)

    async def dns(
        self, step: ResolvedCall, spec: Dns, from_id: str, server: tuple[str, int] | None
    ) -> Probe:
        """Resolve on a server."""

        def judged(_: str, answer: Answer) -> Probe:
            if answer.outcome != "answered":
                return Probe(CheckResult.INCONCLUSIVE, answer.text)
            # dig says as well what the name is another name of.
            lines = [parsed_dns_value(spec.type, each) for each in answer.text.splitlines()]
            return of_dns(spec, {each for each in lines if each}, answer.milliseconds)

        host, port = server or ("", 53)
        values = ["dns", spec.type, spec.name, host, str(port)]
        return await self._probe(step, from_id, values, "-", judged)

    async def _probe(
        self,
        step: ResolvedCall,
        from_id: str,
        values: list[str],
        host: str | None,
        judged: Callable[[str, Answer], Probe],
    ) -> Probe:
        """Have a server try a host, or each server of the step, and judge what it saw."""

        def one(target: str, answer: Answer | None) -> Probe:
            if answer is None:
                return Probe(CheckResult.INCONCLUSIVE, f"{from_id} did not report on {target}")
            if answer.outcome == "inconclusive":
                return Probe(CheckResult.INCONCLUSIVE, f"tried from {from_id}: {answer.text}")
            found = judged(target, answer)
            return Probe(found.result, f"{found.evidence}, tried from {from_id}")

        try:
            if host is not None:
                (answer,) = await self._answers(step, from_id, values, [host])
                return one(host, answer)
            hosts = [server.private_ip for server in step.servers]
            if not all(hosts):
                raise _CannotCheckError("EC2 has no private address of a server")
            answers = await self._answers(step, from_id, values, hosts)
        except _CannotCheckError as error:
            return Probe(CheckResult.INCONCLUSIVE, str(error))
        return verdict(step.servers, list(map(one, hosts, answers)))

    async def _answers(
        self, step: ResolvedCall, from_id: str, values: list[str], targets: list[str]
    ) -> list[Answer | None]:
        """What a server saw of each target.

        Raises:
            _CannotCheckError: Systems Manager could not run the script there.
            AwsError: it could not be asked.
        """
        if any(not each.isprintable() for each in (*values, *targets)):
            raise _CannotCheckError("a value of the check has a control character")
        server = step.named.get(from_id)
        if server is None:
            raise _CannotCheckError(f"{from_id} is not up, so it cannot be tried from there")
        place = next(s.target for s in step.call.servers if s.source_server_id == from_id)
        platform = await self._platform(place, server.instance_id)
        batches = [
            targets[start : start + _TARGETS_PER_COMMAND]
            for start in range(0, len(targets), _TARGETS_PER_COMMAND)
        ]
        outputs = await asyncio.gather(
            *(
                self._run(place, server.instance_id, platform, commands(platform, values, some))
                for some in batches
            )
        )
        pairs = zip(outputs, batches, strict=True)
        return [each for output, some in pairs for each in parsed(output, len(some))]

    async def _platform(self, target: Target, instance_id: str) -> str:
        filters = [{"Name": "instance-id", "Values": [instance_id]}]
        answer = await self._services.read(target, "ec2", "describe_instances", Filters=filters)
        for reservation in answer.get("Reservations", []):
            for each in reservation.get("Instances", []):
                # EC2 says it of Windows only.
                return "Windows" if each.get("Platform") == "windows" else "Linux"
        raise _CannotCheckError(f"EC2 does not list {instance_id}, from which it is to be tried")

    async def _run(self, target: Target, instance_id: str, platform: str, script: list[str]) -> str:
        """Run a script on an instance; its output."""
        answer = await self._services.change(
            target,
            "ssm",
            "send_command",
            DocumentName=_PLATFORMS[platform].document,
            InstanceIds=[instance_id],
            Parameters={"commands": script, "executionTimeout": [str(_RUN_SECONDS)]},
            Comment="A check of drs-waves, which changes nothing",
            TimeoutSeconds=_DELIVERY_SECONDS,
        )
        command_id = str(answer["Command"]["CommandId"])
        until = time.monotonic() + _ANSWER_SECONDS
        while time.monotonic() < until:
            await asyncio.sleep(self._pause)
            try:
                seen = await self._services.read(
                    target,
                    "ssm",
                    "get_command_invocation",
                    CommandId=command_id,
                    InstanceId=instance_id,
                )
            except AwsError as error:
                if "InvocationDoesNotExist" in str(error):
                    continue
                raise
            if seen.get("Status") == "Success":
                return str(seen.get("StandardOutputContent") or "")
            if seen.get("Status") in _ENDED:
                said = str(seen.get("StandardErrorContent") or "").strip()
                details = seen.get("StatusDetails") or seen["Status"]
                raise _CannotCheckError(
                    f"command {command_id} on {instance_id} is {details}: {said}".rstrip(": ")
                )
        raise _CannotCheckError(f"command {command_id} on {instance_id} did not end in time")
