"""`make audit` says what is known, and never takes silence for a clean bill."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from bench.audit import audit
from runtime.exit import ExitCode
from sandbox.stack import free_port


class _Osv(BaseHTTPRequestHandler):
    """Knows a vulnerability of idna, and answers for nothing that `silent_about` names."""

    silent_about = ""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = asked["package"]["name"]
        known = {"id": "PYSEC-1", "summary": "bad", "affected": [{"package": asked["package"]}]}
        body = json.dumps({"vulns": [known]} if name == "idna" else {}).encode()
        self.send_response(503 if name == self.silent_about else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


@pytest.fixture
def osv() -> Iterator[str]:
    """The address of a service on this machine."""
    server = HTTPServer(("127.0.0.1", 0), _Osv)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1/query"
    server.shutdown()
    server.server_close()


def test_a_known_vulnerability_is_named_and_silence_about_one_package_is_no_audit(
    osv: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, lines = audit(osv)
    assert code is ExitCode.FAILED
    (line,) = lines
    assert line.startswith("idna ")
    assert "PYSEC-1, no fix is known" in line
    monkeypatch.setattr(_Osv, "silent_about", "typer")
    assert audit(osv)[0] is ExitCode.UNREACHABLE


def test_a_service_that_cannot_be_reached_has_an_exit_code_of_its_own() -> None:
    code, lines = audit(url := f"http://127.0.0.1:{free_port()}/")
    assert code is ExitCode.UNREACHABLE
    assert f"NOT AUDITED: {url}" in lines[0]
