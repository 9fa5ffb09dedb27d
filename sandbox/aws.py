"""A local AWS: DRS beside moto's DynamoDB, STS, SQS and the rest, over HTTP.

Beside it are receivers of notifications, over HTTP and SMTP, an HTTP service, and a DNS server.

`python -m sandbox.aws --port 0 --speed 30 --scenario scenario.yaml` prints one line of JSON with
its endpoint when it is ready.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from http import HTTPStatus
from importlib import import_module
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any, Self

from aiosmtpd.controller import Controller
from moto.core.base_backend import BackendDict
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.wrappers import Request, Response

from sandbox import effects, recovery_control, service_quotas
from sandbox.drs import register
from sandbox.drs.launch_events import LaunchEventEmitter
from sandbox.drs.simulation import Simulation, simulation
from sandbox.http.aws_call import Call, error_code, identify
from sandbox.http.call_log import OK
from sandbox.http.control import PREFIX, SandboxControl
from sandbox.http.drs_resources import with_drs_resources
from sandbox.http.faults import gateway_response, render_error, unsupported
from sandbox.http.wsgi_server import LOOPBACK, LoopbackServer, ResponseTruncated, ResponseWithheld
from sandbox.iam.actions import denial_code
from sandbox.iam.authorization import lacked, simulated
from sandbox.receivers import http_receivers
from sandbox.receivers.inbox import RECEIVER
from sandbox.receivers.smtp import smtp_server
from sandbox.recovered.listeners import ApplicationListeners
from sandbox.scenario import HTTP, LOCAL_SERVICES, Effect, Fault, Scenario, load_scenario
from sandbox.services import http_service
from sandbox.services.name_server import NameServer
from sandbox.services.seed import extend
from sandbox.ssm import documents

_EXIT_BAD_INPUT = 2


class SandboxApplication:
    """Moto's server as a WSGI application. Applies faults before a request reaches moto."""

    def __init__(self, control: SandboxControl) -> None:
        self._control = control
        simulated.denies = control.faults.denies
        self._aws = DomainDispatcherApplication(_backend_app)
        # DynamoDB compares a condition and writes in one step; moto takes two.
        self._dynamodb = Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Serve one request. `wsgi.input` must be an in-memory buffer."""
        return self._respond(environ)(environ, start_response)

    def _respond(self, environ: dict[str, Any]) -> Response:
        if environ["PATH_INFO"].startswith(PREFIX):
            return self._control.respond(Request(environ))
        connection = environ["werkzeug.socket"]
        self._control.record_caller(connection)
        body = environ["wsgi.input"].getvalue()
        call = (
            http_receivers.receiver_call(environ)
            or http_service.http_call(environ)
            or identify(environ, body)
        )
        if call is None:
            return self._execute(environ)
        call = with_drs_resources(call)
        delay, fault = self._control.faults.decide(call)
        time.sleep(delay)
        effect, name = (fault.effect, fault.name) if fault else (None, None)
        if fault and (instead := self._respond_instead(call, fault, environ)):
            return instead
        if denied := self._deny(call, environ):
            return denied
        try:
            with self._dynamodb if call.service == "dynamodb" else nullcontext():
                response = self._serve(call, environ)
        except NotImplementedError:
            response = unsupported(call, environ)
        failed = response.status_code >= HTTPStatus.BAD_REQUEST
        result = error_code(response.headers, response.get_data()) if failed else OK
        match effect:
            case Effect.ANSWER_LOST:
                self._control.log(call, effect, fault=name)
                raise ResponseWithheld
            case Effect.ANSWER_CUT:
                self._control.log(call, effect, fault=name)
                raise ResponseTruncated(response)
            case Effect.GATEWAY_AFTER if fault:
                self._control.log(call, effect, fault=name)
                return gateway_response(fault)
            case Effect.HOLD:
                if not self._control.hold(call, result, connection, fault=name):
                    raise ResponseWithheld
            case _:
                self._control.log(call, result)
        return response

    def _respond_instead(
        self, call: Call, fault: Fault, environ: dict[str, Any]
    ) -> Response | None:
        """Return the response of a fault that keeps the request from AWS, or None."""
        match fault.effect:
            case None:
                assert fault.error is not None, "a fault has an error or an effect"
                self._control.log(call, fault.error, fault=fault.name)
                return render_error(call, fault.error, environ, fault)
            case Effect.GATEWAY_BEFORE:
                self._control.log(call, fault.effect, fault=fault.name)
                return gateway_response(fault)
            case Effect.DROP:
                self._control.log(call, fault.effect, fault=fault.name)
                raise ResponseWithheld
            case Effect.HANG:
                connection = environ["werkzeug.socket"]
                self._control.hold(call, fault.effect, connection, fault=fault.name)
                raise ResponseWithheld
            case _:
                return None

    def _deny(self, call: Call, environ: dict[str, Any]) -> Response | None:
        """Return IAM's response to a caller whose policies do not allow the call, or None."""
        if call.service in LOCAL_SERVICES or (reason := lacked(call)) is None:
            return None
        code = denial_code(call.service)
        self._control.log(call, code)
        return render_error(call, code, environ, message=reason)

    def _serve(self, call: Call, environ: dict[str, Any]) -> Response:
        if call.service == RECEIVER:
            return http_receivers.respond(Request(environ), self._control.inbox)
        if call.service == HTTP:
            return http_service.respond(Request(environ))
        return self._execute(environ)

    def _execute(self, environ: dict[str, Any]) -> Response:
        return Response.from_app(self._aws, environ, buffered=True)

    def warm_up(self, services: Iterable[str]) -> None:
        """Import services now rather than during the first call."""
        for service in services:
            self._aws.get_application(
                {
                    "PATH_INFO": "/",
                    "HTTP_AUTHORIZATION": (
                        f"AWS4-HMAC-SHA256 Credential=k/20200101/us-east-1/{service}/aws4_request"
                    ),
                    "HTTP_X_AMZ_TARGET": "DynamoDB_20120810.",
                }
            )


def _backend_app(service: Any) -> Any:
    """Return moto's application of a service. It raises what it does not support."""
    extend(service)
    if service in ("ec2", "ssm"):
        # Takes half a second to import.
        import_module("sandbox.ssm.responses").register()
        import_module("sandbox.ec2.responses").register()
    app = create_backend_app(service)
    app.config["PROPAGATE_EXCEPTIONS"] = True
    return app


class SandboxAws:
    """The server in a thread of this process.

    Moto keeps its state in the process, so only one can run at a time. `start` clears that state.
    """

    _running: SandboxAws | None = None

    def __init__(
        self,
        *,
        scenarios: Iterable[Scenario] = (),
        speed: float = 1.0,
        port: int = 0,
        smtp_port: int | None = None,
        dns_port: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Prepare a server.

        Args:
            scenarios: Applied in this order before the first request.
            speed: Divides the durations of AWS operations.
            port: The port on 127.0.0.1. 0 selects a free port.
            smtp_port: The port of the SMTP server; None: without one.
            dns_port: The port of the DNS server, UDP and TCP; 0 selects a free one, None: without.
            clock: Returns the current time in epoch seconds. All DRS state is computed from it.
        """
        if speed <= 0:
            raise ValueError("speed must be greater than 0")
        self._scenarios = tuple(scenarios)
        self._speed = speed
        self._port = port
        self._smtp_port = smtp_port
        self._smtp: Controller | None = None
        self._dns_port = dns_port
        self._dns: NameServer | None = None
        self._listeners: ApplicationListeners | None = None
        self._events: LaunchEventEmitter | None = None
        self._clock = clock
        self._server: LoopbackServer | None = None
        self._thread: Thread | None = None
        self.control = SandboxControl()

    def start(self, warm_up: Sequence[str] = ("drs",)) -> Self:
        """Clear moto's state, apply the scenarios and start serving.

        Args:
            warm_up: Services to import before the first call.
        """
        if SandboxAws._running is not None:
            raise RuntimeError("another SandboxAws runs in this process; stop it first")
        register()
        recovery_control.register()
        service_quotas.register()
        BackendDict.reset()
        effects.clear()
        documents.clear()
        vars(simulation).update(vars(Simulation(now=self._clock, speed=self._speed)))
        self.control = SandboxControl()
        for scenario in self._scenarios:
            self.control.apply(scenario)
        application = SandboxApplication(self.control)
        application.warm_up(warm_up)
        self._server = LoopbackServer(application, self._port)
        self._thread = Thread(
            target=self._server.serve_forever, args=(0.05,), name="sandbox-aws", daemon=True
        )
        self._thread.start()
        self._listeners = ApplicationListeners()
        self._listeners.start()
        if self._smtp_port is not None:
            self._smtp = smtp_server(self.control, self._smtp_port)
            self._smtp.start()
        if self._dns_port is not None:
            self._dns = NameServer(self.control, self._dns_port)
            self._dns.start()
        self._events = LaunchEventEmitter()
        self._events.start()
        SandboxAws._running = self
        return self

    def stop(self) -> None:
        """Stop serving and close all connections. Idempotent."""
        if self._server is None or self._thread is None:
            return
        if self._smtp is not None:
            self._smtp.stop()
            self._smtp = None
        if self._dns is not None:
            self._dns.stop()
            self._dns = None
        if self._events is not None:
            self._events.stop()
            self._events = None
        if self._listeners is not None:
            self._listeners.stop()
            self._listeners = None
        self._server.shutdown()
        self._server.server_close()
        self._server.close_connections()
        self._thread.join()
        self._server = self._thread = None
        SandboxAws._running = None
        vars(simulation).update(vars(Simulation()))

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """The port that the server listens on."""
        if self._server is None:
            raise RuntimeError("the server is not running")
        return self._server.server_port

    @property
    def dns_port(self) -> int:
        """The port of the DNS server."""
        if self._dns is None:
            raise RuntimeError("the DNS server is not running")
        return self._dns.port

    @property
    def endpoint_url(self) -> str:
        """The endpoint of every AWS service."""
        return f"http://{LOOPBACK}:{self.port}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT."""
    options = _parser().parse_args(arguments)
    stopped = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    try:
        sandbox = SandboxAws(
            scenarios=[load_scenario(path) for path in options.scenario],
            speed=options.speed,
            port=options.port,
            smtp_port=options.smtp_port,
            dns_port=options.dns_port,
        ).start(warm_up=("drs", "sts", "dynamodb"))
    except (OSError, ValueError) as error:
        # ScenarioError is a ValueError.
        print(f"sandbox.aws: {error}", file=sys.stderr)
        return _EXIT_BAD_INPUT
    ready = {"Endpoint": sandbox.endpoint_url, "Port": sandbox.port, "Pid": os.getpid()}
    print(json.dumps(ready), flush=True)
    # What is loaded stays, and looks for garbage take time.
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    stopped.wait()
    sandbox.stop()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.aws", description="A local AWS with DRS, on 127.0.0.1."
    )
    parser.add_argument("--port", type=int, default=0, help="0 selects a free port (default)")
    parser.add_argument("--smtp-port", type=int, help="serves SMTP there too")
    parser.add_argument("--dns-port", type=int, help="serves DNS there too, by UDP and TCP")
    parser.add_argument(
        "--speed", type=float, default=1.0, help="divides the durations of DRS jobs (default 1)"
    )
    parser.add_argument(
        "--scenario", type=Path, action="append", default=[],
        help="scenario file, YAML; if given more than once, applied in order",
    )  # fmt: skip
    return parser


if __name__ == "__main__":
    sys.exit(main())
