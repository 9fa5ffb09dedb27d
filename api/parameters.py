"""Path and query parameters of the API."""

from typing import Annotated

from fastapi import Header, Path, Query

from recovery.plan.fields import ID_PATTERN

EXECUTION_ID_PATTERN = f"{ID_PATTERN}-[0-9a-f]{{12}}"
EXECUTION_ID_NOTE = "an execution's ID: its PlanId, `-` and 12 hexadecimal digits"
# Five digits in the sort keys of the plan table.
MAX_VERSIONS = 99_999
# The year 2100, in epoch seconds: later ones are mistakes, such as milliseconds.
MAX_TIME = 4_102_444_800.0

PlanId = Annotated[str, Path(pattern=f"^{ID_PATTERN}$", description="A PlanId.", examples=["crm"])]
ExecutionId = Annotated[
    str,
    Path(
        pattern=f"^{EXECUTION_ID_PATTERN}$",
        description=f"It is {EXECUTION_ID_NOTE}.",
        examples=["crm-0f3b52a1c7d9"],
    ),
]
NameOrId = Annotated[
    str,
    Path(pattern=r"^[A-Za-z0-9._-]{1,77}$", description="A PlanId, or an execution's ID."),
]
WaveId = Annotated[str, Path(pattern=f"^{ID_PATTERN}$", description="A WaveId of the plan.")]
WaveFilter = Annotated[
    str | None, Query(pattern=f"^{ID_PATTERN}$", description="Only actions about this WaveId.")
]
PlanIdFilter = Annotated[
    str | None, Query(pattern=f"^{ID_PATTERN}$", description="Only executions of this plan.")
]
Version = Annotated[
    int | None, Query(ge=1, le=MAX_VERSIONS, description="The version. Default: the newest.")
]
KnownVersion = Annotated[int, Query(ge=1, le=MAX_VERSIONS, description="A version of the plan.")]
IdempotencyKey = Annotated[
    str | None,
    Header(
        pattern=r"^[\x21-\x7e]{1,200}$",
        description="A unique key, such as a UUID. A repeat with the same key does nothing.",
    ),
]
Around = Annotated[
    float | None,
    Query(
        ge=0,
        le=MAX_TIME,
        allow_inf_nan=False,
        description="The time to choose a snapshot for, in epoch seconds. Default: none is chosen.",
    ),
]
