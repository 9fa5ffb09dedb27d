"""In which Regions the parts of an installation are, from its settings and channels."""

from typing import Any

import pytest

from aws.dependencies import installation_regions
from recovery.notify.channels import Channel
from settings import Settings


@pytest.fixture(autouse=True)
def _no_region(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV"):
        monkeypatch.delenv(name, raising=False)


def regions(*channels: dict[str, Any], **settings: Any) -> dict[str, str]:
    known = [Channel.model_validate(each) for each in channels]
    return installation_regions(Settings(**settings), known)


def test_what_names_no_region_is_left_out() -> None:
    found = regions(
        {"Name": "mail", "Apprise": {"Env": "MAIL"}},
        public_url="https://drs.example.com",
        oidc_issuer="https://login.example.com",
        oidc_audience="drs",
    )
    assert found == {}


def test_addresses_and_keys_name_their_region() -> None:
    found = regions(
        history_region="eu-west-1",
        public_url="https://x1.execute-api.us-east-1.amazonaws.com",
        oidc_issuer="https://cognito-idp.eu-central-1.amazonaws.com/pool",
        oidc_audience="drs",
        signing_kms_key="arn:aws:kms:us-west-2:123456789012:key/1",
        audit_log="cloudwatch:audit",
    )
    assert found == {
        "The table of registered plans": "eu-west-1",
        "The API": "us-east-1",
        "The identity provider": "eu-central-1",
        "The KMS key of signed requests": "us-west-2",
        "The audit log": "eu-west-1",
    }


def test_channels_name_their_topics_buses_and_secrets() -> None:
    secret = {"SecretsManager": "arn:aws:secretsmanager:us-east-1:123456789012:secret:x"}
    parameter = {"SsmParameter": "hook", "Region": "eu-central-1"}
    found = regions(
        {"Name": "all", "SNS": {"TopicArn": "arn:aws:sns:us-east-2:123456789012:all"}},
        {"Name": "bus", "EventBridge": {"Bus": "default", "Region": "eu-west-3"}},
        {"Name": "pager", "PagerDuty": {"RoutingKey": secret}},
        {"Name": "hook", "WebHook": {"Url": "https://example.com", "Secret": parameter}},
    )
    assert found == {
        "The topic of channel all": "us-east-2",
        "The event bus of channel bus": "eu-west-3",
        "A secret of channel pager": "us-east-1",
        "A secret of channel hook": "eu-central-1",
    }


def test_aws_says_where_a_worker_runs_and_a_setting_says_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    monkeypatch.setenv("AWS_EXECUTION_ENV", "AWS_ECS_FARGATE")
    monkeypatch.setenv("DRS_WAVES_DEPENDENCY_REGIONS", '{"The API": "us-east-1"}')
    found = regions()
    assert (found["This worker"], found["The API"]) == ("us-west-2", "us-east-1")
    monkeypatch.delenv("AWS_EXECUTION_ENV")
    assert "This worker" not in regions()
