"""The control API of a running sandbox: in Python, and over HTTP under `/_sandbox/`."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterable
from dataclasses import asdict
from http import HTTPStatus
from importlib import import_module
from threading import Lock
from typing import Any
from weakref import WeakSet

from werkzeug.wrappers import Request, Response

from sandbox import effects
from sandbox.drs.simulation import LaunchEvents, simulation
from sandbox.ec2.scripts import LaunchNeeds
from sandbox.http.aws_call import Call
from sandbox.http.call_log import GONE, HELD, CallLog
from sandbox.http.faults import FaultInjector
from sandbox.http.wsgi_server import close_connections, is_disconnected
from sandbox.receivers.inbox import Inbox
from sandbox.receivers.queues import NotificationQueues
from sandbox.scenario import DEFAULT_ACCOUNT_ID, DEFAULT_REGION, Quotas, Scenario, read_scenario
from sandbox.seed import all_backends, apply_quotas, apply_source_server
from sandbox.services.seed import apply_scripts
from sandbox.ssm.documents import documents

PREFIX = "/_sandbox/"

_OK = {"Status": "OK"}
_HOLD_POLL_SECONDS = 0.05
_MAX_WAIT_SECONDS = 60.0


class SandboxControl:
    """The active scenario, the log of API calls, the connections of their callers, the messages."""

    def __init__(self) -> None:
        self.faults = FaultInjector()
        self.inbox = Inbox()
        self._queues = NotificationQueues(self.inbox)
        self._client_connections: WeakSet[socket.socket] = WeakSet()
        # In the order in which they were given: later ones hold.
        self._quotas: list[Quotas] = []
        self._calls = CallLog()
        self._lock = Lock()

    def apply(self, scenario: Scenario | str) -> None:
        """Merge source servers, replace the specified quotas and scripts, append faults.

        Args:
            scenario: A scenario, or its text in YAML or JSON.

        Raises:
            ScenarioError: The text is not a valid scenario. Nothing is applied.
        """
        if isinstance(scenario, str):
            scenario = read_scenario(scenario)
        settings = {
            "timestamp_form": scenario.timestamp_form,
            "durations": scenario.durations,
            "clock_offset": scenario.clock_offset_seconds,
            "seed": scenario.seed,
        }
        for name, value in settings.items():
            if value is not None:
                setattr(simulation, name, value)
        if (events := scenario.launch_events) is not None:
            simulation.launch_events[events.account_id] = LaunchEvents(
                events.late_seconds, events.copies, events.lost_rate
            )
        with self._lock:
            if scenario.quotas.model_fields_set:
                self._quotas.append(scenario.quotas)
                apply_quotas(scenario.quotas, all_backends())
            for entry in scenario.source_servers:
                holders = apply_source_server(entry)
                for quotas in self._quotas:
                    apply_quotas(quotas, holders)
            apply_scripts(scenario)
            if scenario.model_fields_set & LaunchNeeds.model_fields.keys():
                # Takes half a second to import.
                import_module("sandbox.ec2.seed").apply_launch_needs(scenario)
            documents.extend(scenario.documents)
        self.faults.add(scenario.faults, simulation.seed)

    def log(self, call: Call, result: str, *, fault: str | None = None) -> None:
        """Log the result of a call: OK, an error code, or the effect of a fault."""
        self._calls.add(call, result, now=simulation.now(), fault=fault)

    def hold(
        self, call: Call, result: str, connection: socket.socket, *, fault: str | None
    ) -> bool:
        """Hold a response until it is released or the caller closes the connection.

        Returns:
            Whether to send the response.
        """
        entry = self._calls.add(call, HELD, now=simulation.now(), fault=fault, held=True)
        while not self._calls.is_released(entry):
            if is_disconnected(connection, within=_HOLD_POLL_SECONDS):
                self._calls.end_hold(entry, GONE)
                return False
        self._calls.end_hold(entry, result)
        return True

    def release(self, numbers: Iterable[int] | None = None) -> dict[str, Any]:
        """Release the held responses of the calls with these numbers, or all."""
        return {"Released": self._calls.release(numbers)}

    def logged(self, *, after: int = 0, wait: float = 0.0) -> dict[str, Any]:
        """Return the calls after a number, in order. Wait up to `wait` seconds for the first."""
        return {"Calls": self._calls.entries_after(after, wait=min(wait, _MAX_WAIT_SECONDS))}

    def ledger(self, account_id: str | None = None) -> dict[str, Any]:
        """Return what truly happened and what is truly up, of one account or of all."""
        return {
            "Now": simulation.now(),
            "Backends": [
                {
                    "AccountId": backend.account_id,
                    "Region": backend.region_name,
                    "Events": [asdict(entry) for entry in backend.ledger],
                    "Jobs": backend.ledger_jobs(),
                    "Servers": backend.ledger_servers(),
                    "Launches": [asdict(each) for each in backend.ledger_launches()],
                    "Templates": backend.ledger_templates(),
                    "ConfigurationChanges": [asdict(x) for x in backend.configuration_changes],
                }
                for backend in all_backends()
                if backend.initialized and account_id in (None, backend.account_id)
            ],
        }

    def record_caller(self, connection: socket.socket) -> None:
        """Record the connection of an API call."""
        with self._lock:
            self._client_connections.add(connection)

    def close_connections(self) -> None:
        """Close the connections of API calls. Those of control clients stay open."""
        with self._lock:
            close_connections(list(self._client_connections))

    def calls(self, account_id: str | None = None) -> dict[str, Any]:
        """Return how often each operation was called with which result, and the faults applied.

        Args:
            account_id: In which account; None means in all.
        """
        return {
            "Calls": self._calls.counts(account_id),
            "FaultsApplied": self.faults.applied(account_id),
        }

    def messages(
        self, *, receiver: str | None = None, account_id: str | None = None
    ) -> dict[str, Any]:
        """Return the messages that receivers got, of one receiver and account or of all."""
        self._queues.read()
        return {"Messages": self.inbox.messages(receiver, account_id)}

    def clear_messages(self, *, receiver: str | None = None, account_id: str | None = None) -> None:
        """Delete the messages of one receiver and account or of all."""
        self._queues.read()
        self.inbox.clear(receiver, account_id)

    def health(self) -> dict[str, Any]:
        """Return the status, the clock and the speed of the sandbox."""
        return {**_OK, "Now": simulation.now(), "Speed": simulation.speed}

    def respond(self, request: Request) -> Response:
        """Handle one request under `/_sandbox/`."""
        given = request.args
        whose = {"receiver": given.get("receiver"), "account_id": given.get("account")}
        routes: dict[tuple[str, str], Callable[[], dict[str, Any] | None]] = {
            ("GET", "health"): self.health,
            ("GET", "ledger"): lambda: self.ledger(given.get("account")),
            ("GET", "effects"): lambda: effects.recorded(given.get("account")),
            ("GET", "calls"): lambda: self.calls(given.get("account")),
            ("GET", "log"): lambda: self.logged(
                after=int(given.get("after", 0)), wait=float(given.get("wait", 0))
            ),
            ("POST", "release"): lambda: self.release(
                [int(given["number"])] if "number" in given else None
            ),
            ("DELETE", "faults"): lambda: self.faults.clear(given.get("name", "")),
            ("DELETE", "connections"): self.close_connections,
            ("GET", "messages"): lambda: self.messages(**whose),
            ("DELETE", "messages"): lambda: self.clear_messages(**whose),
            ("POST", "topic"): lambda: {
                "TopicArn": self._queues.create(
                    given.get("account", DEFAULT_ACCOUNT_ID), given.get("region", DEFAULT_REGION)
                )
            },
            ("POST", "scenario"): lambda: self.apply(request.get_data().decode()),
        }
        route = routes.get((request.method, request.path.removeprefix(PREFIX).strip("/")))
        if route is None:
            known = ", ".join(f"{verb} {PREFIX}{name}" for verb, name in routes)
            content = {"Error": f"unknown request; use one of: {known}"}
            return _json(HTTPStatus.NOT_FOUND, content)
        try:
            return _json(HTTPStatus.OK, route() or _OK)
        except ValueError as error:
            return _json(HTTPStatus.BAD_REQUEST, {"Error": str(error)})


def _json(status: HTTPStatus, content: dict[str, Any]) -> Response:
    return Response(json.dumps(content), status, mimetype="application/json")
