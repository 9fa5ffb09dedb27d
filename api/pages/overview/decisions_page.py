"""The page of all open decisions, where they are made."""

import time

from fastapi import FastAPI, Request

from api.auth.tokens import Principal
from api.hub import Snapshot
from api.pages.dialogs import Dialog
from api.pages.execution.execution_page import dialog_of
from api.pages.live_page import LivePage, add_live_page
from api.pages.overview.open_decisions import open_decisions
from api.pages.rendering import render
from api.service import ExecutionService
from client.decisions.inbox import Inbox
from client.decisions.inbox_reader import InboxState
from recovery.execution.state import ExecutionType
from recovery.text_format import count

# An execution that does not answer is given some seconds.
_OLD_AFTER_SECONDS = 20.0


class DecisionsPage(LivePage[InboxState]):
    """All open decisions for a user."""

    template = "decisions_page"

    def parts(self, snapshot: Snapshot[InboxState]) -> dict[str, str]:
        """Render the parts that change."""
        found = snapshot.value
        states = [each.state for each in found.executions if each.state is not None]
        inbox = found.inbox
        of_portfolios = [
            f"Portfolio {each.plan_name}: {each.asked}; `{each.commands[0]}`"
            for each in inbox.decisions
            if each.is_portfolio
        ]
        return {
            "status-line": render("status_line", text=_status_line(inbox)),
            "warnings": render("warnings", warnings=[*inbox.warnings, *of_portfolios]),
            "unread": render("unread", unread=inbox.unread, now=time.time()),
            "open": render(
                "all_decisions",
                decisions=open_decisions(states, self.user),
                is_current=inbox.is_current,
                now=time.time(),
            ),
        }

    def old_after(self, snapshot: Snapshot[InboxState]) -> float:
        """More than on an execution's page, because all executions are read."""
        return _OLD_AFTER_SECONDS

    async def dialog(self, name: str, about: str | None) -> Dialog | None:
        """The dialog of an action; `about` is an execution, then wave and step after slashes."""
        if about is None:
            return None
        execution_id, _, what = about.partition("/")
        poller = self.service.hub.execution(execution_id)
        return await dialog_of(self.service, poller, name, what or None)


def add_to(app: FastAPI, service: ExecutionService) -> None:
    """Add the page."""

    def open_page(_: Request, user: Principal) -> DecisionsPage:
        return DecisionsPage(service, user, service.inbox, "decisions")

    add_live_page(app, service, "/decisions", "Decisions · drs-waves", open_page)


def _status_line(inbox: Inbox) -> str:
    found = inbox.decisions
    recoveries = sum(each.execution_type is ExecutionType.RECOVERY for each in found)
    text = count(len(found), "open decision")
    return f"{text}, {recoveries} of them of a real RECOVERY" if recoveries else text
