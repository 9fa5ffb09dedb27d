"""Receivers over HTTP: a web hook, one as Slack's, and PagerDuty's Events API v2.

Their addresses are `/_receivers/ACCOUNT/web-hook`, `…/slack` and `…/pager-duty/v2/enqueue`.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from werkzeug.wrappers import Request, Response

from sandbox.http.aws_call import Call
from sandbox.receivers.inbox import RECEIVER, SCRIPTED, Inbox, ReceivedMessage, Receiver

PREFIX = "/_receivers/"
_ACTIONS = ("trigger", "acknowledge", "resolve")
_SEVERITIES = ("critical", "error", "warning", "info")


def receiver_call(environ: dict[str, Any]) -> Call | None:
    """Return the call of a request to a receiver, or None if it is to AWS."""
    if not environ["PATH_INFO"].startswith(PREFIX):
        return None
    account_id, receiver = _place(environ["PATH_INFO"])
    text = environ["wsgi.input"].getvalue().decode(errors="replace")
    return Call(RECEIVER, receiver, "", account_id, text=text)


def respond(request: Request, inbox: Inbox) -> Response:
    """Receive a message."""
    account_id, name = _place(request.path)
    if name not in SCRIPTED or name == Receiver.SMTP or request.method != "POST":
        return Response(f"POST to {PREFIX}ACCOUNT/RECEIVER", HTTPStatus.NOT_FOUND)
    receiver = Receiver(name)
    try:
        content = json.loads(request.get_data())
    except ValueError:
        content = None
    if not isinstance(content, dict):
        return Response("invalid_payload", HTTPStatus.BAD_REQUEST)
    message = ReceivedMessage(receiver, account_id, "", "", content, dict(request.headers))
    match receiver:
        case Receiver.PAGER_DUTY:
            return _pager_duty(message, inbox, is_change=request.path.endswith("/change/enqueue"))
        case Receiver.SLACK:
            return _slack(message, inbox)
    message.Title, message.Text = str(content.get("Title", "")), str(content.get("Text", ""))
    inbox.add(message)
    return Response('{"Status": "OK"}', mimetype="application/json")


def _place(path: str) -> tuple[str, str]:
    """Return the account and the receiver of a path."""
    account_id, _, rest = path.removeprefix(PREFIX).partition("/")
    return account_id, rest.partition("/")[0]


def _slack(message: ReceivedMessage, inbox: Inbox) -> Response:
    # Source: Slack's "Sending messages using incoming webhooks", its errors.
    text = str(message.Content.get("text") or "")
    if not text and not message.Content.get("attachments"):
        return Response("no_text", HTTPStatus.BAD_REQUEST)
    message.Title, _, message.Text = text.partition("\n")
    inbox.add(message)
    return Response("ok")


def _pager_duty(message: ReceivedMessage, inbox: Inbox, *, is_change: bool) -> Response:
    event = message.Content
    payload = event.get("payload") if isinstance(event.get("payload"), dict) else {}
    if problems := _problems(event, payload, is_change=is_change):
        content = {"status": "invalid event", "message": "Event object is invalid"}
        return _json(HTTPStatus.BAD_REQUEST, {**content, "errors": problems})
    key = str(event.get("dedup_key") or f"sandbox-{id(message)}")
    if not is_change:
        message.Incident = inbox.change_incident(message.AccountId, key, event["event_action"])
    details = payload.get("custom_details")
    message.Title = str(payload.get("summary") or f"{event.get('event_action')} {key}")
    message.Text = str(details.get("text", "")) if isinstance(details, dict) else ""
    inbox.add(message)
    answer = {"status": "success", "message": "Event processed"}
    return _json(HTTPStatus.ACCEPTED, answer if is_change else {**answer, "dedup_key": key})


def _problems(event: dict[str, Any], payload: Any, *, is_change: bool) -> list[str]:
    """Return why PagerDuty does not take an event. Source: its reference of Events API v2."""
    action = event.get("event_action")
    problems = []
    if not event.get("routing_key"):
        problems.append("'routing_key' is missing or blank")
    if is_change or action == "trigger":
        required = ("summary",) if is_change else ("summary", "source", "severity")
        missing = [name for name in required if not payload.get(name)]
        problems += [f"'payload.{name}' is missing or blank" for name in missing]
    if is_change:
        return problems
    if action not in _ACTIONS:
        problems.append(f"'event_action' must be one of {', '.join(_ACTIONS)}")
    elif action != "trigger" and not event.get("dedup_key"):
        problems.append("'dedup_key' is missing or blank")
    elif action == "trigger" and payload.get("severity") not in _SEVERITIES:
        problems.append(f"'payload.severity' must be one of {', '.join(_SEVERITIES)}")
    return problems


def _json(status: HTTPStatus, content: dict[str, Any]) -> Response:
    return Response(json.dumps(content), status, mimetype="application/json")
