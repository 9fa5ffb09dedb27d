"""An execution as a file: JSON as `drs-waves history --json` prints it, CSV with a row a server."""

from enum import StrEnum

from client.executions import LastKnownState
from recovery.csv_file import csv_text, utc_time
from recovery.execution.server import ServerResult
from recovery.execution.state import ExecutionState
from recovery.execution.wave import WaveState


class ExportFormat(StrEnum):
    """The formats of an export."""

    JSON = "json"
    CSV = "csv"

    @property
    def media_type(self) -> str:
        """Its media type."""
        return "application/json" if self is ExportFormat.JSON else "text/csv"


def exported(state: ExecutionState, kind: ExportFormat) -> str:
    """An execution in a format."""
    if kind is ExportFormat.JSON:
        return state.model_dump_json(exclude_none=True, indent=2)
    rows = [_row(state, wave, server) for wave in state.waves for server in wave.servers]
    return csv_text([*rows[0]] if rows else ["ExecutionId"], rows)


def _row(state: ExecutionState, wave: WaveState, server: ServerResult) -> dict[str, object]:
    """The row of a server; times are UTC. Its last columns say whether the state is outdated."""
    chosen = wave.chosen_points.get(server.source_server_id)
    outdated = state if isinstance(state, LastKnownState) else None
    return {
        "ExecutionId": state.execution_id,
        "PlanId": state.plan_id,
        "ExecutionType": state.execution_type,
        "Status": state.status,
        "WaveId": wave.wave_id,
        "WaveName": wave.wave_name,
        "WaveStatus": wave.status,
        "Attempt": wave.attempt,
        "AccountId": wave.account_id,
        "Region": wave.region,
        "SourceServerId": server.source_server_id,
        "ServerName": wave.server_names.get(server.source_server_id),
        "Impact": server.impact,
        "LaunchStatus": server.launch_status,
        "Verified": server.verified,
        "PostLaunch": server.post_launch,
        "RecoveryJobId": server.recovery_job_id,
        "TakenOver": server.taken_over,
        "RecoveryInstanceId": server.recovery_instance_id,
        "LaunchTime": utc_time(server.launch_time),
        "RecoveryPoint": utc_time(server.recovery_point),
        "ChosenSnapshotId": chosen.snapshot_id if chosen else None,
        "ChosenPoint": utc_time(chosen.time) if chosen else None,
        "EndTime": utc_time(server.end_time),
        "Reason": server.reason,
        "RecordedTime": utc_time(outdated.recorded_time) if outdated else None,
        "OutdatedReason": outdated.outdated_reason if outdated else None,
    }
