"""Whether recovered servers answer HTTP as expected."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from recovery.steps.state import CheckResult
from tests.activities.steps.checks.probes import Prober, check, recovered
from tests.aws_in_process import LocalAws


class Site:
    """A site on this machine: by path, the status, the headers and the body."""

    def __init__(self) -> None:
        self.pages: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked: list[str] = []
        self.port = 0


@pytest.fixture
def site(aws: LocalAws) -> Iterator[Site]:
    made = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked.append(self.path)
            status, headers, body = made.pages.get(self.path, (404, {}, b"no such page"))
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.port = server.server_port
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield made
    server.shutdown()
    server.server_close()


def get(site: Site, path: str, **keys: Any) -> Any:
    spec = {"Host": "127.0.0.1", "Port": site.port, "Path": path} | keys
    return check([], HttpGet=spec, When="BOTH")


async def test_recovered_servers_that_answer_pass(aws: LocalAws, probe: Prober) -> None:
    app = {"Port": 18080, "Protocol": "http", "Body": "shop is ready"}
    call = check(recovered(aws, Applications=[app]), HttpGet={"Port": 18080, "Contains": "ready"})
    found = await probe(call)
    for _ in range(100):
        if found.result is CheckResult.PASSED:
            break
        found = await probe(call)
    assert found.result is CheckResult.PASSED
    assert found.evidence.startswith("web-1: HTTP 200 after ")
    assert found.evidence.endswith('ms: "shop is ready"')


@pytest.mark.parametrize(
    ("status", "expected", "result"),
    [
        (200, [], CheckResult.PASSED),
        (299, [], CheckResult.PASSED),
        (503, [], CheckResult.FAILED),
        (401, [401, 403], CheckResult.PASSED),
        (200, [401], CheckResult.FAILED),
        (302, [302], CheckResult.PASSED),
    ],
)
async def test_the_status_decides(
    site: Site, probe: Prober, status: int, expected: list[int], result: CheckResult
) -> None:
    site.pages["/"] = (status, {"Location": "http://other.example.com/"}, b"\x1b[31mhello\n" * 50)
    found = await probe(get(site, "/", ExpectedStatus=expected))
    assert found.result is result
    assert f"HTTP {status} after" in found.evidence
    assert "\x1b" not in found.evidence
    assert len(found.evidence) < 300


@pytest.mark.parametrize("size", [10, 65_000, 70_000])
async def test_a_text_counts_in_the_first_64_kilobytes(
    site: Site, probe: Prober, size: int
) -> None:
    site.pages["/"] = (200, {}, b"x" * size + b"ready")
    found = await probe(get(site, "/", Contains="ready"))
    assert found.result is (CheckResult.PASSED if size < 65_536 else CheckResult.FAILED)


async def test_a_redirect_on_the_host_is_followed(site: Site, probe: Prober) -> None:
    site.pages["/"] = (302, {"Location": "/login?next=%2F"}, b"")
    site.pages["/login?next=%2F"] = (200, {}, b"sign in")
    found = await probe(get(site, "/"))
    assert found.result is CheckResult.PASSED
    assert "sign in" in found.evidence


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://[fd00:ec2::254]/",
        "https://shop.example.com/",
        "//localhost/",
    ],
)
async def test_a_redirect_to_another_host_is_a_failure_and_not_asked(
    site: Site, probe: Prober, location: str
) -> None:
    site.pages["/"] = (302, {"Location": location}, b"")
    found = await probe(get(site, "/"))
    assert found.result is CheckResult.FAILED
    assert "leads to another host" in found.evidence
    assert site.asked == ["/"]


async def test_endless_redirects_are_a_failure(site: Site, probe: Prober) -> None:
    site.pages["/"] = (302, {"Location": "/"}, b"")
    found = await probe(get(site, "/"))
    assert (found.result, len(site.asked)) == (CheckResult.FAILED, 5)


async def test_no_http_and_no_answer_are_failures(
    aws: LocalAws, site: Site, probe: Prober, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activities.steps.checks.http_get.PROBE_SECONDS", 0.3)
    refused = await probe(get(site, "/", Port=1))
    tls = await probe(get(site, "/", Scheme="https"))
    monkeypatch.setitem(site.pages, "/", (200, {"Content-Length": "100"}, b"cut"))
    cut = await probe(get(site, "/"))
    assert {each.result for each in (refused, tls, cut)} == {CheckResult.FAILED}
    assert refused.evidence.startswith("http://127.0.0.1:1/: ")


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("host", ["169.254.170.2", "nowhere.invalid", "a/b", "user@host", "::x"])
async def test_what_cannot_be_asked_is_inconclusive(probe: Prober, host: str) -> None:
    call = check([], HttpGet={"Host": host, "Port": 80, "Path": "/"}, When="BOTH")
    assert (await probe(call)).result is CheckResult.INCONCLUSIVE
