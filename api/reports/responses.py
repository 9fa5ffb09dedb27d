"""Reports as files, with the headers that keep a browser from doing more than showing them."""

from enum import StrEnum

from fastapi import Response
from fastapi.responses import HTMLResponse

from recovery.report.html import content_security_policy, file_html
from recovery.report.model import ExecutionReport
from recovery.report.portfolio.model import PortfolioReport
from recovery.report.summary import PlanSummary


class ReportFile(StrEnum):
    """The formats of the file of a report."""

    HTML = "html"
    JSON = "json"


def html_response(found: ExecutionReport | PlanSummary | PortfolioReport) -> Response:
    """A report as a page of its own."""
    text = file_html(found)
    return HTMLResponse(text, headers={"Content-Security-Policy": content_security_policy()})


def json_response(found: ExecutionReport | PortfolioReport) -> Response:
    """A report as a file."""
    name = {"Content-Disposition": f'attachment; filename="{found.execution_id}-report.json"'}
    text = found.model_dump_json(exclude_none=True, indent=2)
    return Response(text, media_type="application/json", headers=name)
