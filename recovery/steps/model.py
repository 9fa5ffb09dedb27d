"""Steps as a plan has them: what runs before and after a launch, one model for each kind.

Pure data. `recovery.plan.file` reads steps from a file; `recovery.steps.references` replaces the
references in their values.
"""

import hashlib
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, SerializerFunctionWrapHandler, model_serializer

from recovery.base_model import Model
from recovery.plan.fields import (
    AccountId,
    Impact,
    PlanOrWaveId,
    Region,
    Retries,
    RoleArn,
    Seconds,
    ServerId,
    Text,
    YesOrNo,
)

MAX_STEPS_PER_LIST = 50
DEFAULT_STEP_SECONDS = 600.0
DEFAULT_DECISION_SECONDS = 14_400.0
Port = Annotated[
    int, Field(strict=True, ge=1, le=65_535, description="a whole number from 1 to 65535")
]
Threshold = Annotated[
    int, Field(strict=True, ge=1, le=100, description="a whole number from 1 to 100")
]
HttpStatus = Annotated[int, Field(strict=True, ge=100, le=599, description="an HTTP status code")]
_Word = Annotated[
    str,
    Field(
        pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,2048}$",
        description="1 to 2048 characters on one line",
    ),
]
_Line = Annotated[
    str,
    Field(
        pattern=r"^[^\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]{0,2048}$",
        description="at most 2048 characters on one line",
    ),
]
# An item of the history has room for the inputs of several steps.
_Description = Annotated[
    str,
    Field(
        pattern=r"^[^\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]{0,200}$",
        description="at most 200 characters on one line",
    ),
]
_Url = Annotated[
    str,
    Field(
        pattern=r"^https?://[^\s\x00-\x1f\x7f/?#@]+([/?#][^\s\x00-\x1f\x7f]*)?$",
        max_length=2048,
        description="a URL such as https://example.com/path, without a user name",
    ),
]
_HeaderName = Annotated[
    str,
    Field(
        pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$",
        description="the name of an HTTP header",
    ),
]
_Secret = Annotated[
    str,
    Field(
        pattern=r"^(env|secretsmanager|ssm):[^\s\x00-\x1f\x7f]{1,2048}$",
        description="where the secret is: env:NAME, secretsmanager:NAME or ssm:NAME",
    ),
]
_Path = Annotated[
    str,
    Field(
        pattern=r"^/[!-~]{0,1000}$",
        description='a path that begins with "/", of ASCII characters without spaces',
    ),
]
_Ttl = Annotated[
    int,
    Field(strict=True, ge=0, le=604_800, description="a whole number of seconds, at most 604800"),
]
_Servers = Annotated[list[ServerId], Field(min_length=1, max_length=500)] | None
Parameters = Annotated[
    dict[_Word, Annotated[list[Text], Field(max_length=1000)]], Field(max_length=200)
]


class StepPhase(StrEnum):
    """When a step runs: before its wave's launch, after it, or in a wave without servers."""

    PRE_LAUNCH = "PRE_LAUNCH"
    POST_LAUNCH = "POST_LAUNCH"
    ALONE = "ALONE"

    @property
    def text(self) -> str:
        """When that is, for a list of a wave's steps; "" in a wave without servers."""
        return {"PRE_LAUNCH": "before launch", "POST_LAUNCH": "after launch"}.get(self.value, "")


class When(StrEnum):
    """In which kind of execution a step runs; it is NOT_TESTED in the other."""

    DRILL = "DRILL"
    RECOVERY = "RECOVERY"
    BOTH = "BOTH"


class OnCancel(StrEnum):
    """What happens to a running step when its wave is cancelled."""

    LEAVE = "LEAVE"
    STOP = "STOP"


class StepKind(StrEnum):
    """The kinds of steps, as their keys in a plan."""

    SSM_AUTOMATION = "SsmAutomation"
    SSM_COMMAND = "SsmCommand"
    LAMBDA = "Lambda"
    HTTP = "Http"
    ROUTE53_RECORD = "Route53Record"
    ROUTING_CONTROL = "RoutingControl"
    MANUAL = "Manual"
    WORKFLOW = "Workflow"
    INSTANCE_STATUS = "InstanceStatus"
    TCP = "Tcp"
    HTTP_GET = "HttpGet"
    DNS = "Dns"
    ALARM = "Alarm"
    TARGET_HEALTH = "TargetHealth"

    @property
    def acts(self) -> bool:
        """Whether it has effects; a check only looks."""
        return self in _ACTING


_ACTING = (
    StepKind.SSM_AUTOMATION,
    StepKind.SSM_COMMAND,
    StepKind.LAMBDA,
    StepKind.HTTP,
    StepKind.ROUTE53_RECORD,
    StepKind.ROUTING_CONTROL,
    StepKind.MANUAL,
    StepKind.WORKFLOW,
)


class SsmAutomation(Model):
    """Runs an automation of Systems Manager.

    Attributes:
        document: its name or ARN.
        version: of the document; default: its default version.
        parameters: by name, each a list of texts.
    """

    document: _Word
    version: _Word | None = None
    parameters: Parameters = {}


class SsmCommand(Model):
    """Runs a command of Systems Manager on recovery instances of the wave.

    Attributes:
        document: its name or ARN.
        version: of the document; default: its default version.
        parameters: by name, each a list of texts.
        servers: whose instances it runs on; default: those of the wave that are up.
    """

    document: _Word
    version: _Word | None = None
    parameters: Parameters = {}
    servers: _Servers = None


class Lambda(Model):
    """Invokes a function and waits for its answer.

    Attributes:
        function_name: its name or ARN.
        payload: what it gets; `StepAttemptId` is added.
    """

    function_name: _Word
    payload: dict[str, JsonValue] = {}


class Http(Model):
    """Sends an HTTP request, with the step attempt ID as `Idempotency-Key`.

    Attributes:
        url: where it is sent.
        method: the HTTP method.
        query: parameters that are added to the URL.
        headers: those that hold no secret.
        secret_headers: headers whose values are references to secrets, such as `env:TOKEN`.
        body: sent as JSON; default: no body.
        expected_status: the status codes of success; none: 200 to 299. Another below 500 says that
            the request had no effect, and fails the step; after one of 500 or more, what became of
            it is unknown.
    """

    url: _Url
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    query: Annotated[dict[_Word, Text], Field(max_length=100)] = {}
    headers: Annotated[dict[_HeaderName, _Line], Field(max_length=50)] = {}
    secret_headers: Annotated[dict[_HeaderName, _Secret], Field(max_length=50)] = {}
    body: JsonValue = None
    expected_status: Annotated[list[HttpStatus], Field(max_length=100)] = []


class Route53Record(Model):
    """Sets a DNS record in Route 53 (UPSERT), and waits until all of its servers have it.

    Attributes:
        zone_id: of the hosted zone.
        name: of the record.
        type: of the record.
        ttl: how long resolvers may keep the record, in seconds.
        values: the values of the record.
    """

    zone_id: _Word
    name: _Word
    type: Literal["A", "AAAA", "CNAME", "TXT"]
    ttl: _Ttl = 60
    values: Annotated[list[_Line], Field(min_length=1, max_length=100)]


class RoutingControl(Model):
    """Sets a routing control of Application Recovery Controller.

    Attributes:
        routing_control_arn: its ARN.
        state: the state to set.
        cluster_endpoints: of its cluster, by Region; they are tried in turn.
    """

    routing_control_arn: _Word
    state: Literal["On", "Off"]
    cluster_endpoints: Annotated[dict[Region, _Word], Field(min_length=1, max_length=5)]


class InputType(StrEnum):
    """What an operator may enter for an input of a manual step."""

    TEXT = "TEXT"
    NUMBER = "NUMBER"
    YES_OR_NO = "YES_OR_NO"


class ManualInput(Model):
    """An input that an operator enters to complete a manual step; it becomes an output.

    Attributes:
        name: of the output.
        type: what may be entered.
        description: shown to the operator.
        required: whether the step cannot be completed without it.
    """

    name: PlanOrWaveId
    type: InputType = InputType.TEXT
    description: _Description = ""
    required: YesOrNo = True


class Manual(Model):
    """An instruction that an operator completes or fails.

    Attributes:
        instruction: what to do, in Markdown.
        inputs: what the operator enters to complete it.
    """

    instruction: Annotated[
        str,
        Field(
            pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]{1,4000}$",
            description="1 to 4000 characters of text without control characters",
        ),
    ]
    inputs: Annotated[list[ManualInput], Field(max_length=20)] = []


class Workflow(Model):
    """Runs a workflow of the user's own Temporal workers, and waits for its result.

    Attributes:
        type: the workflow type.
        task_queue: of the workers that run it.
        input: its one input, as plain JSON.
    """

    type: _Word
    task_queue: _Word
    input: JsonValue = None


class Check(Model):
    """What all checks have.

    Attributes:
        healthy_threshold: how often in a row it must pass.
        interval_seconds: between two tries.
    """

    healthy_threshold: Threshold = 2
    interval_seconds: Seconds = 10.0


class ServerCheck(Check):
    """A check of each started server of the wave.

    Attributes:
        servers: other servers, such as those of a wave that is up by then.
    """

    servers: _Servers = None


class InstanceStatus(ServerCheck):
    """Whether EC2's status checks of the instances pass."""


class Tcp(ServerCheck):
    """Whether a TCP connection is accepted.

    Attributes:
        port: to connect to.
        host: a fixed host instead of the servers.
        from_: a server from which it is tried, by Systems Manager; default: from the worker.
    """

    port: Port
    host: _Word | None = None
    from_: Annotated[ServerId | None, Field(alias="From")] = None


class HttpGet(ServerCheck):
    """Whether an HTTP request is answered as expected.

    Attributes:
        port: to connect to.
        scheme: http or https.
        path: of the request, with a query if it needs one.
        host: a fixed host instead of the servers.
        expected_status: the status codes of success; none: 200 to 299.
        contains: a text that the first 64 KB of the body must contain.
        verify_tls: whether the certificate must be valid.
        from_: a server from which it is tried, by Systems Manager; default: from the worker.
    """

    port: Port
    scheme: Literal["http", "https"] = "http"
    path: _Path = "/"
    host: _Word | None = None
    expected_status: Annotated[list[HttpStatus], Field(max_length=100)] = []
    contains: _Word | None = None
    verify_tls: YesOrNo = True
    from_: Annotated[ServerId | None, Field(alias="From")] = None


class Dns(Check):
    """Whether a name resolves to the expected values.

    Attributes:
        name: to resolve.
        type: of the record.
        values: which the answer must have, and no others; none: any answer passes.
        resolver: a DNS server's address, with a port if it is not 53; default: the worker's.
        from_: a server from which it is tried, by Systems Manager; default: from the worker.
    """

    name: _Word
    type: Literal["A", "AAAA", "CNAME", "TXT"] = "A"
    values: Annotated[list[_Line], Field(max_length=100)] = []
    resolver: _Word | None = None
    from_: Annotated[ServerId | None, Field(alias="From")] = None


class Alarm(Check):
    """Whether a CloudWatch alarm is in the state OK.

    Attributes:
        alarm_name: its name.
    """

    alarm_name: _Word


class TargetHealth(Check):
    """Whether targets of a load balancer's target group are healthy.

    Attributes:
        target_group_arn: of the target group.
        servers: whose instances must be; default: each target of the group.
    """

    target_group_arn: _Word
    servers: _Servers = None


KindModel = (
    SsmAutomation
    | SsmCommand
    | Lambda
    | Http
    | Route53Record
    | RoutingControl
    | Manual
    | Workflow
    | InstanceStatus
    | Tcp
    | HttpGet
    | Dns
    | Alarm
    | TargetHealth
)


# A corrected plan that only waits longer for a step, or judges it otherwise, has the same step.
_NOT_DONE = {
    "when",
    "timeout_seconds",
    "retries",
    "impact",
    "idempotent",
    "on_cancel",
    "decision_seconds",
    "rerun",
    "account_id",
}


class StepOutput(Model):
    """An output of a step.

    Attributes:
        path: JMESPath into the step's result.
        secret: whether its value is masked wherever it is shown.
    """

    path: _Word
    secret: YesOrNo = False


class Step(Model):
    """One step of a wave; it has one kind.

    Attributes:
        step_id: identifies the step in its wave.
        when: in which kind of execution it runs; default, of checks of recovery instances: BOTH.
        timeout_seconds: from its start; manual steps have `DecisionSeconds` instead.
        retries: how often it runs again after it failed, each time as a new attempt.
        impact: OPTIONAL: its failure makes the wave PARTIAL instead of FAILED.
        idempotent: running it again does no harm, so it is run again if its outcome is unknown.
        on_cancel: what happens to it, while it runs, when its wave is cancelled.
        decision_seconds: how long a manual step, or one of unknown outcome, waits for an operator.
        rerun: `run --from` runs it again although it succeeded for the same instances.
        region: where it acts; default: the wave's.
        role_arn: the role to assume; default: the wave's.
        account_id: the account that the worker must act in; default: the wave's.
        outputs: by name, what is taken from its result.
    """

    step_id: PlanOrWaveId
    when: When | None = None
    timeout_seconds: Seconds = DEFAULT_STEP_SECONDS
    retries: Retries = 0
    impact: Impact = Impact.CRITICAL
    idempotent: YesOrNo = False
    on_cancel: OnCancel = OnCancel.LEAVE
    decision_seconds: Seconds = DEFAULT_DECISION_SECONDS
    rerun: YesOrNo = False
    region: Region | None = None
    role_arn: RoleArn | None = None
    account_id: AccountId | None = None
    outputs: Annotated[dict[PlanOrWaveId, StepOutput], Field(max_length=50)] = {}
    ssm_automation: SsmAutomation | None = None
    ssm_command: SsmCommand | None = None
    lambda_: Annotated[Lambda | None, Field(alias="Lambda")] = None
    http: Http | None = None
    route53_record: Annotated[Route53Record | None, Field(alias="Route53Record")] = None
    routing_control: RoutingControl | None = None
    manual: Manual | None = None
    workflow: Workflow | None = None
    instance_status: InstanceStatus | None = None
    tcp: Tcp | None = None
    http_get: HttpGet | None = None
    dns: Dns | None = None
    alarm: Alarm | None = None
    target_health: TargetHealth | None = None

    @property
    def has_secret_outputs(self) -> bool:
        """Whether people may not see what it returns."""
        return any(each.secret for each in self.outputs.values())

    @model_serializer(mode="wrap")
    def _without_nothing(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Thirteen kinds that it does not have would take most of the 2 MB that start a plan.
        return {key: value for key, value in handler(self).items() if value is not None}

    @property
    def kind(self) -> StepKind:
        """Its kind."""
        return next(iter(self._kinds))

    @property
    def spec(self) -> KindModel:
        """What its kind's key has."""
        return self._kinds[self.kind]

    @property
    def definition_hash(self) -> str:
        """A short hash of what it does and returns, not of how it is awaited and judged."""
        return hashlib.sha256(self.model_dump_json(exclude=_NOT_DONE).encode()).hexdigest()[:16]

    @property
    def _kinds(self) -> dict[StepKind, KindModel]:
        values: dict[str, Any] = {name: getattr(self, name) for name in KIND_FIELDS}
        return {KIND_FIELDS[name]: value for name, value in values.items() if value is not None}

    @property
    def effective_when(self) -> When:
        """In which kind of execution it runs."""
        return self.when or When.BOTH

    @property
    def needs_when(self) -> bool:
        """Whether `When` is required: it acts, or in a drill it would look at production."""
        return self.kind.acts or self.is_fixed

    @property
    def description(self) -> str:
        """Its kind, and in which executions it runs: `Route53Record, in a RECOVERY only`."""
        only = "" if self.effective_when is When.BOTH else f", in a {self.effective_when} only"
        optional = ", optional" if self.impact is Impact.OPTIONAL else ""
        return f"{self.kind}{only}{optional}"

    def runs_in(self, *, is_drill: bool) -> bool:
        """Whether it runs in a drill, or else in a recovery."""
        left_out = When.RECOVERY if is_drill else When.DRILL
        return self.effective_when is not left_out

    @property
    def is_fixed(self) -> bool:
        """Whether it is a check of something other than recovery instances."""
        spec = self.spec
        if isinstance(spec, Dns | Alarm | TargetHealth):
            return True
        return isinstance(spec, Tcp | HttpGet) and spec.host is not None


KIND_FIELDS = {
    name: StepKind(field.alias)
    for name, field in Step.model_fields.items()
    if field.alias in list(StepKind)
}
"""The fields of a step that are its kinds."""
