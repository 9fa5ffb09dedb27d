"""The values that plans consist of: what each may be, and what problems say to write."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

SERVER_ID_PATTERN = "s-[0-9a-f]{17}"
SNAPSHOT_ID_PATTERN = "pit-[0-9a-f]{17}"
ID_PATTERN = "[A-Za-z0-9._-]{1,64}"
REGION_PATTERN = "[a-z]{2,}(-[a-z]+)+-[0-9]+"
ACCOUNT_ID_PATTERN = "[0-9]{12}"
ROLE_ARN_PATTERN = r"arn:aws(-[a-z]+)*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+"
NAME_PATTERN = r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,256}"
TEXT_PATTERN = r"[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*"

MAX_SECONDS = 7 * 24 * 3600
MAX_MINUTES = 365 * 24 * 60
# Each launch carries the approvals.
MAX_APPROVERS = 5


def _matching(pattern: str, description: str) -> Any:
    return Field(pattern=f"^{pattern}$", description=description)


# The descriptions say what to write; problems of a plan file show them.
PlanOrWaveId = Annotated[str, _matching(ID_PATTERN, '1 to 64 letters, digits, ".", "_" or "-"')]
ChannelName = Annotated[
    str, _matching(ID_PATTERN, 'the name of a channel: 1 to 64 letters, digits, ".", "_" or "-"')
]
# Names and texts are shown on terminals, where a control character could rewrite what the
# operator reads.
Name = Annotated[str, _matching(NAME_PATTERN, "1 to 256 characters on one line")]
Text = Annotated[str, _matching(TEXT_PATTERN, "text without control characters")]
Region = Annotated[str, _matching(REGION_PATTERN, "an AWS Region such as us-west-2")]
_ROLE_ARN = "the ARN of an IAM role such as arn:aws:iam::123456789012:role/Recovery"
RoleArn = Annotated[str, _matching(ROLE_ARN_PATTERN, _ROLE_ARN)]
AccountId = Annotated[
    str, _matching(ACCOUNT_ID_PATTERN, "the 12 digits of an AWS account, in quotes")
]
ServerId = Annotated[str, _matching(SERVER_ID_PATTERN, '"s-" and 17 of the characters 0-9 and a-f')]
SnapshotId = Annotated[
    str, _matching(SNAPSHOT_ID_PATTERN, '"pit-" and 17 of the characters 0-9 and a-f')
]
_SECONDS = "a number of seconds above 0 and at most 604800 (7 days)"
_MINUTES = "a whole number of minutes, 1 or more (at most a year)"
# Strict, because YAML's `yes` would otherwise be one second.
Seconds = Annotated[
    float,
    Field(strict=True, gt=0, le=MAX_SECONDS, allow_inf_nan=False, description=_SECONDS),
]
Minutes = Annotated[int, Field(strict=True, ge=1, le=MAX_MINUTES, description=_MINUTES)]
Days = Annotated[
    int, Field(strict=True, ge=1, le=3650, description="a whole number of days, 1 or more")
]
Priority = Annotated[int, Field(strict=True, ge=1, le=5, description="a whole number from 1 to 5")]
Retries = Annotated[
    int, Field(strict=True, ge=0, le=100, description="a whole number from 0 to 100")
]
Approvers = Annotated[
    int,
    Field(
        strict=True,
        ge=0,
        le=MAX_APPROVERS,
        description=f"a whole number from 0 to {MAX_APPROVERS}",
    ),
]
YesOrNo = Annotated[bool, Field(strict=True, description="true or false")]


class Impact(StrEnum):
    """What a server's failure means for its wave."""

    CRITICAL = "CRITICAL"
    OPTIONAL = "OPTIONAL"
