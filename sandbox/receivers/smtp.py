"""An SMTP server that keeps each mail. The account is the local part of the recipient's address."""

from __future__ import annotations

import asyncio
import re
from email import message_from_bytes, policy
from typing import TYPE_CHECKING

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from sandbox.http.aws_call import Call
from sandbox.http.call_log import OK
from sandbox.receivers.inbox import RECEIVER, ReceivedMessage, Receiver
from sandbox.scenario import DEFAULT_ACCOUNT_ID, Effect

if TYPE_CHECKING:
    from sandbox.http.control import SandboxControl

_ACCOUNT = re.compile(r"(\d{12})@")
_ACCEPTED = "250 OK"


def smtp_server(control: SandboxControl, port: int) -> Controller:
    """Create a server on 127.0.0.1, which has threads of its own; it is not started."""
    return Controller(_Mails(control), hostname="127.0.0.1", port=port)


class _Mails:
    def __init__(self, control: SandboxControl) -> None:
        self._control = control

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:
        """Receive a mail, unless a fault of it says otherwise."""
        control, content = self._control, envelope.original_content or b""
        found = next(filter(None, map(_ACCOUNT.match, envelope.rcpt_tos)), None)
        account_id = found[1] if found else DEFAULT_ACCOUNT_ID
        call = Call(RECEIVER, Receiver.SMTP, "", account_id, text=content.decode(errors="replace"))
        delay, fault = control.faults.decide(call)
        await asyncio.sleep(delay)
        effect, name = (fault.effect, fault.name) if fault else (None, None)
        refusal = f"{fault.status} {fault.message or 'Refused by the scenario'}" if fault else ""
        transport = server.transport
        assert isinstance(transport, asyncio.WriteTransport), "a mail comes by a connection"
        if effect not in (Effect.GATEWAY_BEFORE, Effect.DROP, Effect.HANG):
            control.inbox.add(_message(account_id, content))
        if effect in (Effect.HANG, Effect.HOLD):
            connection = transport.get_extra_info("socket").dup()
            with connection:
                answer = await asyncio.to_thread(
                    control.hold, call, str(effect), connection, fault=name
                )
            if answer and effect is Effect.HOLD:
                return _ACCEPTED
            transport.abort()
            return refusal
        control.log(call, effect or OK, fault=name)
        if effect in (Effect.GATEWAY_BEFORE, Effect.GATEWAY_AFTER):
            return refusal
        if effect is not None:
            transport.abort()
        return _ACCEPTED


def _message(account_id: str, content: bytes) -> ReceivedMessage:
    mail = message_from_bytes(content, policy=policy.default)
    part = mail.get_body(("plain", "html"))
    text = str(part.get_content()) if part is not None else ""
    headers = {name: str(value) for name, value in mail.items()}
    return ReceivedMessage(
        Receiver.SMTP, account_id, headers.get("Subject", ""), text.strip(), text, headers
    )
