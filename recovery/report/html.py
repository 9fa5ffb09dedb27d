"""A report as one HTML file: it loads nothing, runs nothing, and prints on A4."""

import base64
import hashlib
from functools import cache

from jinja2 import Environment
from markupsafe import Markup

from recovery.execution.progress import SYMBOLS
from recovery.report.model import ExecutionReport
from recovery.report.portfolio.model import PortfolioReport
from recovery.report.portfolio.timeline import portfolio_picture
from recovery.report.summary import PlanSummary
from recovery.report.timeline import WIDTH, picture
from recovery.steps.progress import STEP_SYMBOLS
from recovery.templates import html_environment
from recovery.text_format import utc_timestamp


def report_html(report: ExecutionReport) -> str:
    """The report of an execution."""
    return _rendered(
        "report",
        report=report,
        picture=picture(report),
        picture_width=WIDTH,
        symbols=SYMBOLS,
        step_symbols=STEP_SYMBOLS,
        now=report.generated_time,
    )


def portfolio_html(report: PortfolioReport) -> str:
    """The report of a portfolio."""
    return _rendered(
        "portfolio",
        report=report,
        picture=portfolio_picture(report),
        picture_width=WIDTH,
        now=report.generated_time,
    )


def file_html(found: ExecutionReport | PlanSummary | PortfolioReport) -> str:
    """Any report."""
    if isinstance(found, PortfolioReport):
        return portfolio_html(found)
    return report_html(found) if isinstance(found, ExecutionReport) else summary_html(found)


def summary_html(summary: PlanSummary) -> str:
    """A plan over time."""
    return _rendered("summary", summary=summary, now=summary.generated_time)


def content_security_policy() -> str:
    """What a browser may do with it: show it, with its own style sheet, and nothing else."""
    digest = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )


def _rendered(template: str, **values: object) -> str:
    # A browser ignores frame-ancestors in a file.
    policy = content_security_policy().rpartition(";")[0]
    found = _environment().get_template(f"{template}.jinja")
    return found.render(values | {"style": Markup(_style()), "policy": policy})


@cache
def _environment() -> Environment:
    environment = html_environment("recovery.report")
    environment.filters["utc"] = utc_timestamp
    return environment


@cache
def _style() -> str:
    """The style sheet, which has nothing of a report."""
    loader = _environment().loader
    assert loader is not None, "html_environment has one"
    return loader.get_source(_environment(), "report.css")[0]
