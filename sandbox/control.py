"""Steers a running sandbox and tells what happened in it: in Python, and under `/_sandbox/`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from http import HTTPStatus
from threading import Lock
from typing import Any

from sandbox.drs.simulation import simulation
from sandbox.faults import FaultInjector
from sandbox.scenario import Quotas, Scenario, ScenarioError, SourceServer, read_scenario
from sandbox.seeding import all_backends, apply_quotas, apply_source_server

PREFIX = "/_sandbox/"

OK = "OK"


class SandboxControl:
    """The scenario in force and the record of what was called."""

    def __init__(self) -> None:
        self.faults = FaultInjector()
        self._quotas = Quotas()
        self._calls: dict[str, Counter[str]] = {}
        self._lock = Lock()

    def add_source_servers(self, entries: Iterable[SourceServer]) -> None:
        """Create source servers, or change those that exist."""
        with self._lock:
            for entry in entries:
                apply_quotas(self._quotas, apply_source_server(entry))

    def apply(self, scenario: Scenario | str) -> None:
        """Merge source servers, replace the quotas that are given, append faults.

        Args:
            scenario: A scenario, or its text in YAML or JSON.

        Raises:
            ScenarioError: If the text is no scenario; nothing is applied then.
        """
        if isinstance(scenario, str):
            scenario = read_scenario(scenario)
        if scenario.timestamp_form is not None:
            simulation.timestamp_form = scenario.timestamp_form
        with self._lock:
            given = scenario.quotas.model_dump(exclude_none=True)
            self._quotas = self._quotas.model_copy(update=given)
            apply_quotas(self._quotas, all_backends())
        self.add_source_servers(scenario.source_servers)
        self.faults.add(scenario.faults, scenario.seed)

    def clear_faults(self) -> None:
        """Let nothing go wrong from now on."""
        self.faults.clear()

    def count(self, call: str, result: str) -> None:
        """Record one call's result: OK, an error code, or an effect that withheld the answer."""
        with self._lock:
            self._calls.setdefault(call, Counter())[result] += 1

    def ledger(self) -> dict[str, Any]:
        """Return what truly happened and what is truly up, of all accounts and Regions."""
        return {
            "Now": simulation.now(),
            "Backends": [
                {
                    "AccountId": backend.account_id,
                    "Region": backend.region_name,
                    "Events": [entry.as_json() for entry in backend.ledger.entries],
                    "Servers": backend.server_states(),
                }
                for backend in all_backends()
                if backend.initialized or backend.ledger.entries
            ],
        }

    def calls(self) -> dict[str, Any]:
        """Return how often each operation was called with which result, and the faults applied."""
        with self._lock:
            calls = {name: dict(results) for name, results in sorted(self._calls.items())}
        return {"Calls": calls, "FaultsApplied": self.faults.applied()}

    def health(self) -> dict[str, Any]:
        """Return that the sandbox is there, its clock and its speed."""
        return {"Status": OK, "Now": simulation.now(), "Speed": simulation.speed}

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Serve one request under `/_sandbox/`.

        Returns:
            HTTP status, and JSON.
        """
        routes: dict[tuple[str, str], Callable[[], dict[str, Any] | None]] = {
            ("GET", "health"): self.health,
            ("GET", "ledger"): self.ledger,
            ("GET", "calls"): self.calls,
            ("DELETE", "faults"): self.clear_faults,
            ("POST", "scenario"): lambda: self.apply(body.decode()),
        }
        route = routes.get((method, path.removeprefix(PREFIX).strip("/")))
        if route is None:
            known = ", ".join(f"{verb} {PREFIX}{name}" for verb, name in routes)
            return _json(HTTPStatus.NOT_FOUND, {"Error": f"no such control; there are {known}"})
        try:
            return _json(HTTPStatus.OK, route() or {"Status": OK})
        except (ScenarioError, UnicodeDecodeError) as error:
            return _json(HTTPStatus.BAD_REQUEST, {"Error": str(error)})


def _json(status: HTTPStatus, content: dict[str, Any]) -> tuple[int, bytes]:
    return status, json.dumps(content).encode()
