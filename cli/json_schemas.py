"""The JSON Schema of what each command prints with `--json`, and the command `schema`."""

from enum import StrEnum
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter

from cli.commands.installation.notify import ChannelTest, ListedChannel
from cli.commands.portfolio.portfolio import SentPortfolioMessage
from cli.commands.portfolio.run_all import PortfolioReadiness
from cli.commands.registration.register import RegisteredPlanVersion
from cli.commands.registration.sync import SyncReport
from cli.commands.steering.steer import SentMessage
from cli.commands.validate import CheckedFile
from cli.commands.verify import VerificationResult
from cli.input.start import Started
from cli.render.output import write_json
from cli.sign_in.login import SignedIn
from client.decisions.inbox import Inbox
from client.overview import ExecutionRow, KnownPlan, StepList
from client.portfolios.order import StartedPortfolio
from client.schedules.view import ScheduleView
from contract.readiness import PlanSnapshots, Readiness
from recovery.coverage.gaps import Coverage
from recovery.doctor.check import DoctorReport
from recovery.execution.cleanup_state import CleanupState
from recovery.execution.state import ExecutionState
from recovery.forecast.report import ForecastReport
from recovery.launch_settings.report import ApplyState, ServerSettings
from recovery.notify.notifier_state import DeliveryRecord
from recovery.notify.watchdog.conditions import Condition
from recovery.plan.file_schema import plan_file_schema
from recovery.plan.registration import PlanRegistration
from recovery.portfolio.state import PortfolioState
from recovery.readiness.report import ReadinessReport
from recovery.report.action_items import ActionItem
from recovery.report.model import ExecutionReport
from recovery.report.portfolio.model import PortfolioReport
from recovery.report.summary import PlanSummary
from recovery.schedule.record import DrillRecord

# Raised when a key is removed or renamed, or its type or meaning changes; not when one is added.
VERSION = 1

_SENT = TypeAdapter(SentMessage)
_SENT_TO_PORTFOLIO = TypeAdapter(SentPortfolioMessage)
_SCHEDULE = TypeAdapter(ScheduleView)
OUTPUTS: dict[str, TypeAdapter[Any]] = {
    "validate": TypeAdapter(list[CheckedFile]),
    "register": TypeAdapter(list[RegisteredPlanVersion] | list[PlanRegistration] | SyncReport),
    "forecast": TypeAdapter(ForecastReport),
    "run": TypeAdapter(ExecutionState | Started | Readiness),
    "run-all": TypeAdapter(PortfolioState | StartedPortfolio | PortfolioReadiness),
    "portfolio watch": TypeAdapter(PortfolioState),
    "portfolio status": TypeAdapter(PortfolioState),
    "portfolio list": TypeAdapter(list[PortfolioState]),
    "portfolio pause": _SENT_TO_PORTFOLIO,
    "portfolio resume": _SENT_TO_PORTFOLIO,
    "portfolio skip": _SENT_TO_PORTFOLIO,
    "portfolio start": _SENT_TO_PORTFOLIO,
    "portfolio accept": _SENT_TO_PORTFOLIO,
    "portfolio cancel": _SENT_TO_PORTFOLIO,
    "snapshots": TypeAdapter(PlanSnapshots),
    "status": TypeAdapter(ExecutionState | list[ExecutionRow]),
    "watch": TypeAdapter(ExecutionState),
    "wait": TypeAdapter(ExecutionState),
    "plans": TypeAdapter(list[KnownPlan]),
    "coverage": TypeAdapter(Coverage),
    "readiness": TypeAdapter(list[ReadinessReport]),
    "executions": TypeAdapter(list[ExecutionRow]),
    "decisions": TypeAdapter(Inbox),
    "history": TypeAdapter(ExecutionState | list[ExecutionState]),
    "report": TypeAdapter(ExecutionReport | PlanSummary | PortfolioReport),
    "action-item add": TypeAdapter(ActionItem),
    "action-item close": TypeAdapter(ActionItem),
    "action-item list": TypeAdapter(list[ActionItem]),
    "history verify": TypeAdapter(VerificationResult | list[VerificationResult]),
    "skip-wave": _SENT,
    "accept-wave": _SENT,
    "cancel-wave": _SENT,
    "retry-wave": _SENT,
    "approve-wave": _SENT,
    "approve-recovery": _SENT,
    "adopt-job": _SENT,
    "launch-anyway": _SENT,
    "pause": _SENT,
    "resume": _SENT,
    "acknowledge": _SENT,
    "complete-step": _SENT,
    "fail-step": _SENT,
    "skip-step": _SENT,
    "rerun-step": _SENT,
    "schedule list": TypeAdapter(list[ScheduleView]),
    "schedule show": _SCHEDULE,
    "schedule pause": _SCHEDULE,
    "schedule resume": _SCHEDULE,
    "schedule run-now": TypeAdapter(DrillRecord),
    "schedule sign": _SCHEDULE,
    "schedule revoke": _SCHEDULE,
    "launch-settings diff": TypeAdapter(list[ServerSettings]),
    "launch-settings apply": TypeAdapter(ApplyState),
    "steps": TypeAdapter(StepList),
    "cancel": _SENT,
    "cleanup": TypeAdapter(CleanupState),
    "whoami": TypeAdapter(SignedIn),
    "notify channels": TypeAdapter(list[ListedChannel]),
    "notify test": TypeAdapter(list[ChannelTest]),
    "notify sent": TypeAdapter(list[DeliveryRecord]),
    "sandbox run": TypeAdapter(ExecutionState | list[ExecutionState]),
    "sandbox status": TypeAdapter(dict[str, Any]),
    "sandbox messages": TypeAdapter(list[dict[str, Any]]),
    "watchdog": TypeAdapter(list[Condition]),
    "doctor": TypeAdapter(DoctorReport),
}


def schema_document() -> dict[str, Any]:
    """Return one document: by command, the schema of its output."""
    schemas, shared = TypeAdapter.json_schemas(
        [(command, "validation", adapter) for command, adapter in OUTPUTS.items()],
        title="What drs-waves prints with --json, by command",
        description=(
            "A key whose value is not known is left out. Further keys may be added within a "
            "version; any other change raises it."
        ),
        ref_template="#/$defs/{model}",
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:drs-waves:json-output:{VERSION}",
        "type": "object",
        "properties": {command: schemas[command, "validation"] for command in OUTPUTS},
        **shared,
    }


class Described(StrEnum):
    """What there is a JSON Schema of."""

    OUTPUT = "output"
    PLAN = "plan"


def schema(
    what: Annotated[
        Described, typer.Argument(help="output: what --json prints; plan: a plan file.")
    ] = Described.OUTPUT,
) -> None:
    """Print the JSON Schema of --json, or of plan files.

    The one of the output describes each command; its $id ends in the version.
    Editors use the one of plan files to complete keys and to show errors.

    \b
    Examples:
      drs-waves schema plan > plan.schema.json
    """
    write_json(plan_file_schema() if what is Described.PLAN else schema_document())
