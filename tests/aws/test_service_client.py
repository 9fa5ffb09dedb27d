"""Calls of any service: sent once, in time or not at all, and known whether they were."""

import time
from typing import Any

import pytest

from aws.errors import AwsError, AwsErrorKind
from aws.service_client import ServiceClient
from aws.targets import TargetClients
from recovery.plan.model import Target
from settings import Settings
from tests.aws_in_process import OTHER_ACCOUNT, REGION, TARGET, LocalAws
from tests.gateway import HTML, Answer, gateway

PARAMETER: dict[str, Any] = {"Name": "phase", "Value": "recovery", "Type": "String"}
ROLE = f"arn:aws:iam::{OTHER_ACCOUNT}:role/drs-waves"


@pytest.fixture
def services(fast: Settings) -> ServiceClient:
    return ServiceClient(TargetClients(fast))


async def failure(services: ServiceClient, target: Target = TARGET, **how: Any) -> AwsError:
    with pytest.raises(AwsError) as caught:
        await services.change(target, "ssm", "put_parameter", **how, **PARAMETER)
    return caught.value


async def test_a_call_that_is_late_is_not_sent(aws: LocalAws, services: ServiceClient) -> None:
    error = await failure(services, not_after=time.monotonic() - 1)
    assert error.kind.had_no_effect
    assert aws.calls("PutParameter", "ssm") == 0
    answer = await services.change(
        TARGET, "ssm", "put_parameter", not_after=time.monotonic() + 10, **PARAMETER
    )
    assert answer["Version"] == 1


@pytest.mark.parametrize("fault", [{"Error": "InternalServerError"}, {"Effect": "drop"}])
async def test_a_call_that_changes_something_is_never_repeated(
    aws: LocalAws, services: ServiceClient, fault: dict[str, str]
) -> None:
    aws.fault("PutParameter", Service="ssm", **fault)
    error = await failure(services)
    assert error.kind is AwsErrorKind.UNCLEAR
    assert str(error).startswith("PutParameter: ")
    assert aws.calls("PutParameter", "ssm") == 1


async def test_a_read_is_repeated(aws: LocalAws, services: ServiceClient) -> None:
    aws.fault("DescribeParameters", Service="ssm", Error="InternalServerError", Times=1)
    assert await services.read(TARGET, "ssm", "describe_parameters")
    assert aws.calls("DescribeParameters", "ssm") == 2


async def test_credentials_that_are_not_answered_say_that_nothing_was_sent(
    aws: LocalAws, services: ServiceClient
) -> None:
    aws.fault("AssumeRole", Service="sts", Effect="drop")
    error = await failure(services, Target(region=REGION, role_arn=ROLE))
    assert error.kind.had_no_effect
    assert aws.calls("PutParameter", "ssm") == 0


async def test_a_login_page_is_no_answer_of_a_function(
    aws: LocalAws, services: ServiceClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def page(operation: str, answer: Answer) -> Answer:
        return 200, "", HTML

    async with gateway(aws, page) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", url)
        with pytest.raises(AwsError, match="no AWS request ID") as caught:
            await services.change(TARGET, "lambda", "invoke", FunctionName="f", Payload=b"{}")
    assert caught.value.kind is AwsErrorKind.UNCLEAR
