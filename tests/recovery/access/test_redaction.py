"""No text that is printed, logged or sent has a secret."""

import pytest

from recovery.access.redaction import redacted

_SECRET = "FwoGZXIvYXdzEA0aDJ+/secret=="


@pytest.mark.parametrize(
    "text",
    [
        "The request signature does not match. Check your key.\n\nThe Canonical String for this "
        f"request should have been\n'POST\n/\n\nx-amz-security-token:{_SECRET}\n\nhost'",
        f"X-Amz-Security-Token: {_SECRET}",
        f"https://sts.amazonaws.com/?X-Amz-Security-Token={_SECRET}&X=1",
        f"Invalid header value b'{_SECRET}\\n'",
        f"{{'authorization': 'Bearer {_SECRET}'}}",
        f"cannot connect to https://me:{_SECRET.replace('/', '')}@idp.example/keys",
        f"-----BEGIN PRIVATE KEY-----\n{_SECRET}\n-----END PRIVATE KEY----- is no file",
        f"-----BEGIN EC PRIVATE KEY-----\n{_SECRET}",
    ],
)
def test_a_secret_is_taken_out(text: str) -> None:
    assert "secret==" not in redacted(text)
    assert redacted(redacted(text)) == redacted(text)


@pytest.mark.parametrize(
    "text",
    [
        "a bearer token is needed; send it as `Authorization: Bearer …`",
        "the bearer token is not valid: Signature has expired",
        'Could not connect to the endpoint URL: "https://drs.us-west-2.amazonaws.com/DescribeJobs"',
        "ann@example.com lacks the role operator",
        "see https://example.com/a@b",
        "-----BEGIN PUBLIC KEY-----…",
    ],
)
def test_everything_else_stays(text: str) -> None:
    assert redacted(text) == text
