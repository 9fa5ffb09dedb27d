"""Lists of executions as files, for scripts and spreadsheets."""

from collections.abc import Sequence

from fastapi import Response

from api.execution_export import ExportFormat
from client.errors import UnreachableError
from client.overview import ExecutionRow, Overview
from recovery.base_model import Model
from recovery.csv_file import csv_text, utc_time


class ExecutionList(Model):
    """Executions: running ones first, then the newest.

    Attributes:
        warnings: what is missing because Temporal or the history did not answer.
        is_complete: whether both answered.
    """

    executions: list[ExecutionRow]
    warnings: list[str] = []
    is_complete: bool = True

    @classmethod
    def of(cls, known: Overview) -> "ExecutionList":
        """The list of what is known."""
        return cls(
            executions=known.rows, warnings=list(known.warnings), is_complete=known.is_complete
        )


def exported_list(known: Overview, kind: ExportFormat) -> Response:
    """A list of executions as a file that browsers download.

    Raises:
        UnreachableError: a part of the list is unknown, which CSV cannot say.
    """
    if kind is ExportFormat.JSON:
        content = ExecutionList.of(known).model_dump_json(exclude_none=True, indent=2)
    elif known.is_complete:
        content = executions_csv(known.rows)
    else:
        raise UnreachableError(f"the list is not complete: {'; '.join(known.warnings)}")
    name = {"Content-Disposition": f'attachment; filename="executions.{kind}"'}
    return Response(content, media_type=kind.media_type, headers=name)


def executions_csv(rows: Sequence[ExecutionRow]) -> str:
    """Executions as CSV: the keys of the API, times in UTC, and the duration."""
    fields = [field.alias or name for name, field in ExecutionRow.model_fields.items()]
    values = (
        row.model_dump(mode="json")
        | {
            "StartTime": utc_time(row.start_time),
            "EndTime": utc_time(row.end_time),
            "DurationSeconds": row.end_time and round(row.end_time - row.start_time, 3),
        }
        for row in rows
    )
    return csv_text([*fields, "DurationSeconds"], values)
