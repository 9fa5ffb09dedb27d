"""Coverage as CSV, a row a gap."""

from recovery.coverage.gaps import Coverage, Gap
from recovery.csv_file import csv_text, utc_time

_COLUMNS = (
    "Code",
    "PlanIds",
    "SourceServerId",
    "ServerName",
    "AccountId",
    "Region",
    "LastDrillExecutionId",
    "LastDrillEndTime",
    "Permission",
    "Message",
)


def coverage_csv(found: Coverage) -> str:
    """All gaps; times are UTC."""
    return csv_text(_COLUMNS, map(_row, found.gaps))


def _row(gap: Gap) -> dict[str, object]:
    drill = gap.last_drill
    return {
        "Code": gap.code,
        "PlanIds": " ".join(gap.plan_ids),
        "SourceServerId": gap.source_server_id,
        "ServerName": gap.server_name,
        "AccountId": gap.account_id,
        "Region": gap.region,
        "LastDrillExecutionId": drill.execution_id if drill else None,
        "LastDrillEndTime": utc_time(drill.end_time if drill else None),
        "Permission": gap.permission,
        "Message": gap.message,
    }
