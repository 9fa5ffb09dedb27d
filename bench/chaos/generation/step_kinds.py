"""Generates what each kind of step does, and what the local AWS has for it."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from bench.chaos.customer import ABSENT_QUEUE, QUEUE, RARE_QUEUE
from bench.testbed import ACCOUNT
from recovery.steps.model import StepKind

# Seconds of AWS, before the speed factor.
_RUN_SECONDS = (5.0, 400.0)
_SHORT_TIMEOUT_SECONDS = 1_500.0
_CHECK_SECONDS = 3_000.0
_INTERVAL_SECONDS = 60.0
PORT = 8080
_CLUSTER_REGIONS = ("us-east-1", "us-west-2", "eu-west-1")
STOPPABLE = (StepKind.SSM_AUTOMATION, StepKind.SSM_COMMAND, StepKind.WORKFLOW)
_PANEL = f"arn:aws:route53-recovery-control::{ACCOUNT}:controlpanel"
Keys = dict[str, Any]
Scenario = dict[str, list[dict[str, Any]]]


def control_panel(drill: int) -> str:
    """The ARN of the control panel of a drill, which is a part of its routing controls' ARNs."""
    return f"{_PANEL}/{drill:032x}"


@dataclass(frozen=True)
class StepKeys:
    """Generates the keys of one step that its kind needs, and adds to the scenario.

    Attributes:
        drill: the number of the drill.
        wave: the number of the wave.
        step: the number of the step.
        aws_url: where the local AWS is.
        known: texts with references to what is known at the step.
    """

    rng: Random
    drill: int
    wave: int
    step: int
    region: str
    aws_url: str
    scenario: Scenario
    known: list[str]

    @property
    def name(self) -> str:
        """What only the effects of this step have in them."""
        return f"drill-{self.drill:04}-w{self.wave}-s{self.step}"

    def of(self, kind: StepKind) -> Keys:
        """The keys of a step of a kind."""
        generate: dict[StepKind, Callable[[], Keys]] = {
            StepKind.SSM_AUTOMATION: self._automation,
            StepKind.SSM_COMMAND: self._command,
            StepKind.LAMBDA: self._function,
            StepKind.HTTP: self._path,
            StepKind.ROUTE53_RECORD: self._record,
            StepKind.ROUTING_CONTROL: self._control,
            StepKind.WORKFLOW: self._workflow,
            StepKind.MANUAL: self._instruction,
        }
        return generate[kind]() if kind.acts else self._check(kind)

    def _instruction(self) -> Keys:
        return {StepKind.MANUAL: {"Instruction": f"Do {self.name}"}}

    def _check(self, kind: StepKind) -> Keys:
        check = {"Port": PORT, "IntervalSeconds": _INTERVAL_SECONDS}
        return {kind: check, "TimeoutSeconds": _CHECK_SECONDS}

    def _automation(self) -> Keys:
        spec = {"Document": self.name, "Parameters": {"For": [self._value()]}}
        outputs = {"Made": {"Path": "Outputs.Made"}}
        return self._document("Automation") | {StepKind.SSM_AUTOMATION: spec, "Outputs": outputs}

    def _command(self) -> Keys:
        return self._document("Command") | {StepKind.SSM_COMMAND: {"Document": self.name}}

    def _value(self) -> str:
        return self.rng.choice(self.known)

    def _add(self, key: str, entry: dict[str, Any]) -> None:
        self.scenario.setdefault(key, []).append(entry)

    def _document(self, kind: str) -> Keys:
        """A document of the step's own; what its outcomes need of the step."""
        rng = self.rng
        outcome = rng.choices(("success", "failed", "stuck"), weights=(20, 2, 1))[0]
        document: dict[str, Any] = {
            "Name": self.name,
            "Type": kind,
            "Region": self.region,
            "AccountId": ACCOUNT,
            "Outcome": [outcome, "success"] if rng.random() < 0.7 else [outcome],
            "Seconds": round(rng.uniform(*_RUN_SECONDS), 1),
            "ListedAfterSeconds": rng.choice((0.0, 0.0, 60.0)),
        }
        if kind == "Automation":
            document["Outputs"] = {"Made": self.name}
        self._add("Documents", document)
        return {"TimeoutSeconds": _SHORT_TIMEOUT_SECONDS} if outcome == "stuck" else {}

    def _function(self) -> Keys:
        rng = self.rng
        is_idempotent = rng.random() < 0.5
        answer = {"Payload": {"Made": self.name}, "Seconds": rng.choice((0.0, 30.0))}
        failed = {"FunctionError": "Unhandled", "Payload": {"errorMessage": "no quorum"}}
        function: dict[str, Any] = {
            "FunctionName": self.name,
            "Region": self.region,
            "AccountId": ACCOUNT,
            "Answers": [failed, answer] if rng.random() < 0.2 else [answer],
        }
        if is_idempotent:
            function["IdempotentBy"] = "StepAttemptId"
        self._add("Functions", function)
        return {"Idempotent": is_idempotent, StepKind.LAMBDA: {"FunctionName": self.name}}

    def _path(self) -> Keys:
        """A path of the HTTP service; it may fail, and may fail after it has done it."""
        rng = self.rng
        is_idempotent = rng.random() < 0.5
        answer = {"Body": {"Made": self.name}, "Seconds": rng.choice((0.0, 30.0))}
        lost = {"Status": 500, "Accepted": True}
        # A service that knows the key repeats its answer until the step's time is over.
        failures = [{"Status": 409}, {"Status": 503}, *([] if is_idempotent else [lost])]
        first = rng.choice(failures) if rng.random() < 0.3 else None
        path = {
            "Path": f"/{self.name}",
            "AccountId": ACCOUNT,
            "Idempotent": is_idempotent,
            "Answers": [first, answer] if first else [answer],
        }
        self._add("HttpPaths", path)
        url = f"{self.aws_url}/_http/{ACCOUNT}/{self.name}"
        spec = {"Url": url, "Body": {"For": self._value()}}
        return {"Idempotent": is_idempotent, StepKind.HTTP: spec}

    def _record(self) -> Keys:
        rng = self.rng
        zone, name = f"ZDRILL{self.drill:04}W{self.wave}S{self.step}", f"{self.name}.example"
        record = {"Name": f"www.{name}", "Type": "A", "Values": ["192.0.2.1"]}
        self._add(
            "HostedZones",
            {
                "ZoneId": zone,
                "Name": name,
                "AccountId": ACCOUNT,
                "ChangeSeconds": round(rng.uniform(*_RUN_SECONDS), 1),
                "Records": [record] if rng.random() < 0.5 else [],
            },
        )
        return {StepKind.ROUTE53_RECORD: {"ZoneId": zone, **record, "Values": ["192.0.2.2"]}}

    def _control(self) -> Keys:
        number = (self.wave << 8) + self.step
        arn = f"{control_panel(self.drill)}/routingcontrol/{number:016x}"
        self._add("RoutingControls", {"RoutingControlArn": arn, "Name": self.name})
        regions = self.rng.sample(_CLUSTER_REGIONS, k=self.rng.randint(1, 3))
        endpoints = {each: f"{self.aws_url}/_recovery-cluster/{each}/v1" for each in regions}
        control = {"RoutingControlArn": arn, "State": "On", "ClusterEndpoints": endpoints}
        return {StepKind.ROUTING_CONTROL: control}

    def _workflow(self) -> Keys:
        """A workflow named after the step, whose workers may come and go, or never come."""
        rng = self.rng
        queue = rng.choices((QUEUE, RARE_QUEUE, ABSENT_QUEUE), weights=(6, 3, 1))[0]
        given = {
            "Seconds": rng.choice((0.0, 0.5, 3.0)),
            "Fails": rng.random() < 0.1,
            "For": self._value(),
        }
        spec = {"Type": self.name, "TaskQueue": queue, "Input": given}
        keys: Keys = {StepKind.WORKFLOW: spec}
        is_short = queue == ABSENT_QUEUE or (queue == RARE_QUEUE and rng.random() < 0.3)
        return keys | ({"TimeoutSeconds": _SHORT_TIMEOUT_SECONDS} if is_short else {})


def generate_application(rng: Random) -> dict[str, Any]:
    """Generate what listens on a server, often late and sometimes never."""
    up_after = (round(rng.uniform(0.0, 900.0), 1), "never")
    return {
        "Port": PORT,
        "Protocol": "http",
        "UpAfterSeconds": rng.choices(up_after, weights=(12, 1))[0],
        "Answer": rng.choices(("answers", "fails"), weights=(15, 1))[0],
    }
