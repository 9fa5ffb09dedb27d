"""Whatever a value is, it stays a value: never text of a document, a URL, a path or a script."""

import asyncio
import json
import re
import string
import time
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.steps.interface import ResolvedCall
from activities.steps.kinds.lambda_function import LambdaStep
from activities.steps.kinds.ssm_automation import SsmAutomationStep
from activities.steps.kinds.ssm_command import SsmCommandStep
from activities.steps.resolving import CallResolver
from activities.steps.step_clients import StepClients
from aws.service_client import ServiceClient
from recovery.steps.model import KindModel
from recovery.steps.reference_places import misplaced_reference, texts_of
from recovery.steps.references import ReferenceSyntaxError, UnknownValueError
from settings import Settings
from tests.activities.steps.step_calls import step_call
from tests.aws_in_process import TARGET

# Such as would end a quotation, or be a reference, a command, a path or another host.
TRICKS = st.sampled_from(
    [
        "${ExecutionId}", "$${", "${", "'; rm -rf / #", "$(reboot)", "`reboot`", '"}', "{{x}}",
        "../..", "@evil.com/", "\r\nHost: evil", "\x00", "%2f", "{{ssm:secret}}", "\\", "\n",
    ]
)  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20) | TRICKS
VALUES = st.recursive(SCALARS, lambda v: st.lists(v) | st.dictionaries(st.text(), v), max_leaves=5)
TEXTS = st.lists(st.text(max_size=20) | TRICKS, min_size=1, max_size=3).map("".join)
REFERENCE = "${Steps.other.find.Value}"
KINDS: list[dict[str, Any]] = [
    {"SsmAutomation": {"Document": "Promote", "Parameters": {"Id": [REFERENCE]}}},
    {"SsmCommand": {"Document": "Configure", "Parameters": {"Id": [f"a {REFERENCE} b"]}}},
    {"Lambda": {"FunctionName": "f", "Payload": {"a": REFERENCE, "b": [f"x{REFERENCE}"]}}},
    {"Http": {"Url": "https://a/b", "Query": {"q": REFERENCE}, "Body": {"a": REFERENCE}}},
    {"Workflow": {"Type": "T", "TaskQueue": "q", "Input": REFERENCE}},
    {"Tcp": {"Port": 1, "Host": REFERENCE}},
    {"HttpGet": {"Port": 1, "Path": "/a", "Host": REFERENCE, "Contains": REFERENCE}},
    {"Dns": {"Name": REFERENCE, "Values": [REFERENCE]}},
    {
        "Route53Record": {
            "ZoneId": "Z", "Name": "a.example.com", "Type": "TXT", "Values": [f'"{REFERENCE}"'],
        }
    },
]  # fmt: skip
# What is called, and what is text of something that is read or run.
FIXED = (
    "document", "version", "function_name", "url", "method", "path", "port", "scheme", "zone_id",
    "type", "task_queue",
)  # fmt: skip
# Systems Manager takes none of them in a parameter.
CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
SCRIPTS = [
    ("AWS-RunShellScript", "commands"),
    ("AWS-RunPowerShellScript", "commands"),
    ("arn:aws:ssm:us-west-2:1:document/AWS-RunShellScript", "workingDirectory"),
    ("AWS-RunRemoteScript", "sourceInfo"),
    ("My-Own", "commands"),
    ("My-Own", "Script"),
]


class Sent(ServiceClient):
    """Keeps what would be sent to AWS."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []

    async def change(self, *where: Any, **request: Any) -> Any:
        self.requests.append({k: v for k, v in request.items() if k[0].isupper()})
        return {
            "AutomationExecutionId": "1", "Command": {"CommandId": "1"}, "Payload": b"null",
        }  # fmt: skip

    async def read(self, *where: Any, **request: Any) -> Any:
        return {}


def resolve(value: Any, kind: dict[str, Any]) -> ResolvedCall:
    call = step_call(call={"outputs": {"other.find": {"Value": value}}, "target": TARGET}, **kind)
    resolver = CallResolver(cast(ServiceClient, None))
    return asyncio.run(resolver.resolve(call, time.time, is_started=True))


def values(spec: KindModel) -> dict[str, Any]:
    return {name: getattr(spec, name) for name in type(spec).model_fields}


@given(st.sampled_from(KINDS), VALUES)
def test_a_value_never_changes_what_is_called_or_read_as_text(
    kind: dict[str, Any], value: Any
) -> None:
    try:
        step = resolve(value, kind)
    except UnknownValueError:
        # Such as a list inside a text.
        return
    planned, given_ = values(step.call.step.spec), values(step.spec)
    for name in planned.keys() & set(FIXED):
        assert given_[name] == planned[name]
    assert type(step.spec) is type(step.call.step.spec)


@given(VALUES)
def test_a_value_of_json_stays_the_same_value(value: Any) -> None:
    payload = {"FunctionName": "f", "Payload": {"a": REFERENCE, "b": [{"c": REFERENCE}]}}
    spec = resolve(value, {"Lambda": payload}).spec
    same = {"a": value, "b": [{"c": value}]}
    assert json.loads(json.dumps(values(spec)["payload"])) == json.loads(json.dumps(same))
    spec = resolve(value, {"Workflow": {"Type": "T", "TaskQueue": "q", "Input": REFERENCE}}).spec
    assert values(spec)["input"] == value


@given(TEXTS)
def test_a_text_is_sent_as_it_is_and_is_not_read_for_references_again(text: str) -> None:
    for kind, service in (
        ({"SsmAutomation": {"Document": "Promote", "Parameters": {"Id": [REFERENCE]}}}, "ssm"),
        ({"SsmCommand": {"Document": "Promote", "Parameters": {"Id": [REFERENCE]}}}, "ssm"),
        ({"Lambda": {"FunctionName": "f", "Payload": {"Id": REFERENCE}}}, "lambda"),
    ):
        if service == "ssm" and CONTROLS.search(text):
            with pytest.raises(UnknownValueError):
                resolve(text, kind)
            continue
        step, sent = resolve(text, kind), Sent()
        clients = StepClients(sent, Settings())
        steps = (SsmAutomationStep, SsmCommandStep) if service == "ssm" else (LambdaStep,)
        acting = next(s for s in steps if s.__name__ == f"{step.call.step.kind}Step")(clients)
        asyncio.run(acting.start(step))
        (request,) = sent.requests
        if service == "ssm":
            assert request["DocumentName"] == "Promote"
            assert request["Parameters"] == {"Id": [text]}
        else:
            assert request["FunctionName"] == "f"
            assert json.loads(request["Payload"])["Id"] == text


@pytest.mark.parametrize("kind", ["SsmCommand", "SsmAutomation"])
@pytest.mark.parametrize(("document", "parameter"), SCRIPTS)
def test_no_value_becomes_text_of_a_script(kind: str, document: str, parameter: str) -> None:
    for text in (REFERENCE, f"echo '{REFERENCE}'", "${ExecutionId}", "a${PlanId}b"):
        spec = {"Document": document, "Parameters": {"x": ["y"], parameter: ["true", text]}}
        with pytest.raises(UnknownValueError, match="runs as a script"):
            resolve("reboot", {kind: spec})
    # A literal of the script's own.
    spec = {"Document": document, "Parameters": {parameter: ["echo $${HOME}"]}}
    resolved = values(resolve("reboot", {kind: spec}).spec)
    assert resolved["parameters"] == {parameter: ["echo ${HOME}"]}


@pytest.mark.parametrize(
    "kind",
    [
        {"SsmAutomation": {"Document": REFERENCE}},
        {"SsmAutomation": {"Document": "a", "Version": REFERENCE}},
        {"SsmCommand": {"Document": f"arn:{REFERENCE}"}},
        {"Lambda": {"FunctionName": REFERENCE}},
        {"Http": {"Url": f"https://{REFERENCE}/"}},
        {"Http": {"Url": f"https://a/{REFERENCE}"}},
        {"Http": {"Url": "https://a/", "SecretHeaders": {"A": f"env:{REFERENCE}"}}},
        {"HttpGet": {"Port": 1, "Path": f"/{REFERENCE}"}},
        {"Workflow": {"Type": REFERENCE, "TaskQueue": "q"}},
        {"Workflow": {"Type": "T", "TaskQueue": REFERENCE}},
        {"Route53Record": {"ZoneId": REFERENCE, "Name": "a", "Type": "A", "Values": ["1"]}},
        {"Dns": {"Name": "a", "Resolver": REFERENCE}},
        {"Alarm": {"AlarmName": REFERENCE}},
    ],
)
def test_a_reference_where_a_plan_may_have_none_is_refused_although_nobody_read_the_plan(
    kind: dict[str, Any],
) -> None:
    with pytest.raises(UnknownValueError, match="would become text that is read as something"):
        resolve("evil", kind)


@given(st.text(alphabet=string.printable, max_size=30) | TEXTS)
def test_a_text_that_is_no_reference_is_refused_or_stays_as_it_is(text: str) -> None:
    kind: dict[str, Any] = {"Lambda": {"FunctionName": "f", "Payload": {"a": text}}}
    try:
        spec = resolve("value", kind).spec
    except UnknownValueError:
        return
    if "${" not in text:
        assert values(spec)["payload"] == {"a": text}
    step = step_call(**kind).step
    for place, each, is_name in texts_of(step):
        try:
            assert is_name or misplaced_reference(step, place, each) == ""
        except ReferenceSyntaxError:
            pytest.fail("it was resolved although it is not well-formed")
