"""The ledger of accepted acts."""

from __future__ import annotations

from sandbox import effects
from tests.sandbox.local_aws import LocalAws

ACCOUNT = "123456789012"


def test_the_control_lists_the_acts_of_an_account_in_order() -> None:
    with LocalAws() as aws:
        for account_id, is_repeat in ((ACCOUNT, False), ("210987654321", False), (ACCOUNT, True)):
            effects.record(
                "lambda.Invoke",
                account_id=account_id,
                region="us-west-2",
                key="token",
                details={"FunctionName": "move"},
                is_repeat=is_repeat,
            )
        _, found = aws.control("GET", f"effects?account={ACCOUNT}")
    assert [(each["Number"], each["IsRepeat"]) for each in found["Effects"]] == [
        (1, False),
        (3, True),
    ]
    assert found["Effects"][0] == {
        "Number": 1,
        "Time": found["Now"],
        "Kind": "lambda.Invoke",
        "AccountId": ACCOUNT,
        "Region": "us-west-2",
        "Key": "token",
        "IsRepeat": False,
        "Details": {"FunctionName": "move"},
    }


def test_a_new_sandbox_has_no_acts() -> None:
    with LocalAws():
        effects.record("x", account_id=ACCOUNT, region="us-west-2", key="", details={})
    with LocalAws() as aws:
        assert aws.control("GET", "effects")[1]["Effects"] == []
