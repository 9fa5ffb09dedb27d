"""One event of the audit log for each request that acts, and for each token that is refused."""

import re
import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contract.identifiers import plan_id_of
from recovery.access.audit import AuditAct, AuditEvent, Proof
from security.audit_log import AuditLog

_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
# What is asked for, also where the request is refused before anything else is known of it.
_ACTS = [
    (re.compile(path), act)
    for path, act in (
        ("/api/plans/(?P<plan_id>[^/]+)/executions", AuditAct.START),
        ("/api/plans/(?P<plan_id>[^/]+)/(versions|removal)", AuditAct.REGISTER),
        ("/api/plans/(?P<plan_id>[^/]+)/launch-settings", AuditAct.LAUNCH_SETTINGS),
        ("/api/executions/(?P<execution_id>[^/]+)/cancel", AuditAct.CANCEL),
        ("/api/executions/(?P<execution_id>[^/]+)/cleanup", AuditAct.CLEANUP),
        ("/api/executions/(?P<execution_id>[^/]+)/declaration", AuditAct.DECLARE),
        ("/api/executions/(?P<execution_id>[^/]+)/action-items(?:/.*)?", AuditAct.ACTION_ITEM),
        (
            "/api/executions/(?P<execution_id>[^/]+)/(?!continuation$)(?P<message>[^/]+)",
            AuditAct.MESSAGE,
        ),
        ("/api/portfolios/(?P<plan_id>[^/]+)/executions", AuditAct.START),
        ("/api/portfolios/(?P<execution_id>[^/]+)/cancel", AuditAct.CANCEL),
        ("/api/portfolios/(?P<execution_id>[^/]+)/(?P<message>[^/]+)", AuditAct.MESSAGE),
        ("/plans/(?P<plan_id>[^/]+)/dialogs/[^/]+", AuditAct.START),
        ("/executions/(?P<execution_id>[^/]+)/dialogs/cancel", AuditAct.CANCEL),
        ("/executions/(?P<execution_id>[^/]+)/dialogs/clean_up", AuditAct.CLEANUP),
        (
            "/executions/(?P<execution_id>[^/]+)/dialogs/(?:add|close)_action_item",
            AuditAct.ACTION_ITEM,
        ),
        ("/executions/(?P<execution_id>[^/]+)/dialogs/(?P<message>[^/]+)", AuditAct.MESSAGE),
        ("/editor/register", AuditAct.REGISTER),
        ("/sign-in", AuditAct.SIGN_IN),
        ("/sign-out", AuditAct.SIGN_OUT),
    )
]
# Where the identity provider leads the browser to.
_CALLBACK = "/sign-in/callback"


@dataclass
class _Notes:
    """What is known of a request.

    Attributes:
        act: what it asks for; None if it only reads.
        fields: of its event.
        refusal: the code and the text of its last error.
        has_wrong_token: its token was refused, or expired while the response was sent.
    """

    act: AuditAct | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    refusal: tuple[str, str] = ("", "")
    has_wrong_token: bool = False


_NOTES: ContextVar[_Notes | None] = ContextVar("notes of the request", default=None)


def note(**fields: Any) -> None:
    """Note fields of the event of this request, as `AuditEvent` has them."""
    if (notes := _NOTES.get()) is not None:
        notes.fields |= {name: value for name, value in fields.items() if value is not None}


def note_caller(subject: str, proof: Proof) -> None:
    """Note who sends this request, once the token is checked."""
    note(actor=subject, proof=proof, actor_verified=proof is not Proof.NONE)


def note_wrong_token(text: str) -> None:
    """Note that the token of this request is refused."""
    note_refusal(HTTPStatus.UNAUTHORIZED.name, text)
    if (notes := _NOTES.get()) is not None:
        notes.has_wrong_token = True


def note_refusal(code: str, text: str) -> None:
    """Note why this request is refused."""
    if (notes := _NOTES.get()) is not None:
        notes.refusal = code, text


class AuditedRequests:
    """Writes the events, when the responses are sent."""

    def __init__(self, app: ASGIApp, audit: AuditLog) -> None:
        self._app = app
        self._audit = audit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status: int | None = None

        async def noting_send(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        notes = _notes_of(scope)
        token = _NOTES.set(notes)
        try:
            await self._app(scope, receive, noting_send)
        finally:
            _NOTES.reset(token)
            if notes.act is not None or notes.has_wrong_token:
                self._audit.write(_event(notes, scope, status))


def _notes_of(scope: Scope) -> _Notes:
    if scope["path"] == _CALLBACK:
        return _Notes(AuditAct.SIGN_IN)
    if scope["method"] not in _SAFE_METHODS:
        for path, act in _ACTS:
            if found := path.fullmatch(scope["path"]):
                return _Notes(act, found.groupdict())
    return _Notes()


def _event(notes: _Notes, scope: Scope, status: int | None) -> AuditEvent:
    event = AuditEvent(
        time=time.time(),
        act=notes.act or AuditAct.SIGN_IN,
        accepted=notes.act is not None and status is not None and status < HTTPStatus.BAD_REQUEST,
        address=scope["client"][0] if scope.get("client") else None,
    ).model_copy(update=notes.fields)
    if event.plan_id is None and event.execution_id is not None:
        event.plan_id = plan_id_of(event.execution_id)
    if event.accepted:
        return event
    code, text = notes.refusal
    if status is None:
        code, text = "NO_RESPONSE", "no response was sent; it may have had an effect"
    event.refusal, event.text = code or HTTPStatus(status or 500).name, text or event.text
    return event
