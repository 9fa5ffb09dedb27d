"""Selects the fault of a call, and serializes injected errors."""

from __future__ import annotations

import json
import random
import uuid
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from threading import Lock
from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.request import determine_request_protocol
from moto.core.serialize import XFormedAttributePicker, get_serializer_class
from moto.core.utils import get_service_model
from werkzeug.http import HTTP_STATUS_CODES
from werkzeug.wrappers import Response

from sandbox.drs.exceptions import SERVERS_IN_A_JOB
from sandbox.http.aws_call import UNKNOWN_OPERATION, Call
from sandbox.scenario import ANY, LOCAL_SERVICES, Effect, Fault

_MESSAGES = {
    "AccessDeniedException": "User is not authorized to perform this operation.",
    "ConflictException": SERVERS_IN_A_JOB,
    "InternalServerException": "An internal error occurred.",
    "ThrottlingException": "Rate exceeded",
    "Throttling": "Rate exceeded",
    "RequestLimitExceeded": "Request limit exceeded.",
    "UninitializedAccountException": "Account not initialized",
    "InvalidSignatureException": "Signature expired: the time of the request is not that of AWS.",
    "SignatureDoesNotMatch": "Signature expired: the time of the request is not that of AWS.",
}
# Errors that every service can return but few models list (AWS General Reference, "Common
# errors").
_STATUS = {
    "AccessDenied": HTTPStatus.FORBIDDEN,
    "ExpiredToken": HTTPStatus.FORBIDDEN,
    "InternalFailure": HTTPStatus.INTERNAL_SERVER_ERROR,
    "InternalServerError": HTTPStatus.INTERNAL_SERVER_ERROR,
    "InvalidSignatureException": HTTPStatus.FORBIDDEN,
    "SignatureDoesNotMatch": HTTPStatus.FORBIDDEN,
    "RequestTimeTooSkewed": HTTPStatus.FORBIDDEN,
    "ServiceUnavailable": HTTPStatus.SERVICE_UNAVAILABLE,
    # Of EC2, whose model lists no errors.
    "InternalError": HTTPStatus.INTERNAL_SERVER_ERROR,
    "RequestLimitExceeded": HTTPStatus.SERVICE_UNAVAILABLE,
    "UnauthorizedOperation": HTTPStatus.FORBIDDEN,
}


# Moto warns about errors that the service model does not list. Scenarios may use such errors.
warnings.filterwarnings("ignore", message=r"Exception\(InjectedError\)")


class InjectedError(ServiceException):
    """An error that a scenario specifies.

    Moto looks up the error shape in the model of the module that defines the exception, so this
    class must not be in a module of moto.
    """

    service_code: str


@dataclass(eq=False)
class _ActiveFault:
    fault: Fault
    dice: random.Random
    seen: int = 0
    applied: int = 0

    @property
    def is_exhausted(self) -> bool:
        return self.fault.times is not None and self.applied >= self.fault.times

    def count_match(self, call: Call) -> bool:
        """Count a matching call. Return whether the fault is active for it."""
        if self.is_exhausted or not self._matches(call):
            return False
        self.seen += 1
        return self.seen > self.fault.after

    def try_apply(self) -> bool:
        if self.fault.rate is not None and self.dice.random() >= self.fault.rate:
            return False
        self.applied += 1
        return True

    def _matches(self, call: Call) -> bool:
        fault = self.fault
        return (
            (
                fault.service == call.service
                or (fault.service == ANY and call.service not in LOCAL_SERVICES)
            )
            and call.operation != UNKNOWN_OPERATION
            and fault.operation in (ANY, call.operation)
            and fault.region in (None, call.region)
            and fault.account_id in (None, call.account_id)
            and fault.caller in (None, call.caller)
            and (not fault.mentions or any(text in call.text for text in fault.mentions))
        )


@dataclass
class FaultInjector:
    """The active faults. The first fault that applies ends the search; earlier delays add up."""

    _active: list[_ActiveFault] = field(default_factory=list)
    _added: int = 0
    _applied: Counter[tuple[str, str]] = field(default_factory=Counter)
    _lock: Lock = field(default_factory=Lock)

    def add(self, faults: Iterable[Fault], seed: int) -> None:
        """Append faults. Each has its own random number generator, seeded with `seed`."""
        with self._lock:
            for fault in faults:
                dice = random.Random(f"{seed}:{self._added}")
                self._active.append(_ActiveFault(fault, dice))
                self._added += 1

    def clear(self, name: str = "") -> None:
        """Remove the faults whose names start with `name`, or all. The counts stay."""
        with self._lock:
            kept = [a for a in self._active if name and not (a.fault.name or "").startswith(name)]
            self._active = kept
            if not name:
                self._added = 0

    def decide(self, call: Call) -> tuple[float, Fault | None]:
        """Return the delay of a call in seconds and its fault, and count both."""
        delay = 0.0
        with self._lock:
            # Every fault counts its matching calls, even if another fault applies.
            due = [active for active in self._active if active.count_match(call)]
            for active in due:
                if not active.try_apply():
                    continue
                fault = active.fault
                kind = f"{call.name} {fault.error or fault.effect}"
                self._applied[call.account_id, kind] += 1
                if active.is_exhausted:
                    self._active.remove(active)
                if fault.effect is not Effect.DELAY:
                    return delay, fault
                delay += fault.seconds or 0.0
        return delay, None

    def denies(self, action: str, account_id: str) -> bool:
        """Whether a fault denies an action of IAM in an account."""
        with self._lock:
            return any(
                active.fault.denied_action == action
                and active.fault.account_id in (None, account_id)
                for active in self._active
            )

    def applied(self, account_id: str | None = None) -> dict[str, int]:
        """Return how often each kind of fault struck, by `service.Operation Error`.

        Args:
            account_id: In which account; None means in all.
        """
        found: Counter[str] = Counter()
        with self._lock:
            for (account, kind), count in self._applied.items():
                if account_id in (None, account):
                    found[kind] += count
        return dict(sorted(found.items()))


def render_error(
    call: Call, code: str, environ: Mapping[str, Any], fault: Fault | None = None, message: str = ""
) -> Response:
    """Serialize an error in the protocol of the service.

    Args:
        call: The API call.
        code: The error code.
        environ: The WSGI environment, whose content type selects the protocol.
        fault: The fault that causes the error.
        message: The error message. Default: that of the fault, or a typical one.
    """
    model = get_service_model(call.service)
    operation = model.operation_model(call.operation)
    if fault:
        message = fault.message or _MESSAGES.get(code, "Injected by the scenario.")
    error = InjectedError(code, message)
    error.service_code = call.service
    protocol = determine_request_protocol(model, environ.get("CONTENT_TYPE", ""))
    serializer = get_serializer_class(call.service, protocol)
    rendered = serializer(operation, value_picker=XFormedAttributePicker()).serialize(error)
    status = int(rendered["status_code"])
    modelled = [(shape.name, shape.metadata.get("error", {})) for shape in model.error_shapes]
    if not any(
        code in (name, described.get("code")) and "httpStatusCode" in described
        for name, described in modelled
    ):
        status = int(_STATUS.get(code, status))
    response = Response(rendered["body"], status, rendered["headers"])
    response.headers["x-amzn-requestid"] = str(uuid.uuid4())
    if fault and (status >= HTTPStatus.INTERNAL_SERVER_ERROR or "Throttling" in code):
        response.headers["Retry-After"] = str(fault.retry_after_seconds)
    return response


def unsupported(call: Call, environ: Mapping[str, Any]) -> Response:
    """Return the error of an operation that the sandbox does not have. Clients do not retry it."""
    message = f"The sandbox does not support the operation {call.operation} of {call.service}."
    return render_error(call, "UnsupportedOperationException", environ, message=message)


def gateway_response(fault: Fault) -> Response:
    """Return the answer of a gateway in between. It has none of the marks of AWS's errors."""
    title = f"{fault.status} {HTTP_STATUS_CODES.get(fault.status, 'Error')}"
    if fault.body == "json":
        content = json.dumps({"status": fault.status, "message": title})
        return Response(content, fault.status, mimetype="application/json")
    html = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return Response(html, fault.status, mimetype="text/html")
