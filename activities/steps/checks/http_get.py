"""Whether HTTP requests are answered as expected."""

import asyncio
import time
from typing import cast

import httpx

from activities.outbound.addresses import AddressRefusedError, UnknownHostError
from activities.outbound.http_transport import CheckedTransport, beginning
from activities.steps.checks.all_servers import PROBE_SECONDS, probe_all
from activities.steps.checks.remote import RemoteChecks
from activities.steps.checks.verdicts import of_http
from activities.steps.interface import Probe, ResolvedCall
from activities.steps.step_clients import StepClients
from recovery.steps.model import HttpGet
from recovery.steps.state import CheckResult
from recovery.text_format import visible

MAX_BODY_BYTES = 65_536
_MOST_REDIRECTS = 5
_HEADERS = {"User-Agent": "drs-waves", "Accept": "*/*", "Accept-Encoding": "identity"}


class HttpGetCheck:
    """See `CheckStep`."""

    def __init__(self, clients: StepClients) -> None:
        self._remote = RemoteChecks(clients)
        self._clients = {
            verify: httpx.AsyncClient(
                transport=CheckedTransport(verify_tls=verify), timeout=PROBE_SECONDS
            )
            for verify in (True, False)
        }

    async def probe(self, step: ResolvedCall) -> Probe:
        """See `CheckStep`."""
        spec = cast(HttpGet, step.spec)
        if spec.from_ is not None:
            return await self._remote.http_get(step, spec, spec.from_)
        if spec.host is not None:
            return await self._probe(spec, spec.host)
        return await probe_all(step.servers, lambda each: self._probe(spec, each.private_ip))

    async def _probe(self, spec: HttpGet, host: str) -> Probe:
        if not host:
            return Probe(CheckResult.INCONCLUSIVE, "EC2 has no private address of it")
        begin = time.monotonic()
        try:
            url = httpx.URL(
                scheme=spec.scheme, host=host, port=spec.port, raw_path=spec.path.encode()
            )
            async with asyncio.timeout(PROBE_SECONDS):
                return await self._get(spec, url, begin)
        except (AddressRefusedError, UnknownHostError) as error:
            return Probe(CheckResult.INCONCLUSIVE, str(error))
        except httpx.InvalidURL as error:
            return Probe(CheckResult.INCONCLUSIVE, f"{visible(host)} makes no URL: {error}")
        except (TimeoutError, httpx.TimeoutException):
            return Probe(CheckResult.FAILED, f"{url}: no answer within {PROBE_SECONDS:g} s")
        except httpx.HTTPError as error:
            return Probe(CheckResult.FAILED, f"{url}: {error or type(error).__name__}")

    async def _get(self, spec: HttpGet, url: httpx.URL, begin: float) -> Probe:
        """Ask, and follow redirects to the same host: another one says nothing about this one."""
        client = self._clients[spec.verify_tls]
        request = client.build_request("GET", url, headers=_HEADERS)
        for _ in range(_MOST_REDIRECTS):
            # Another server's cookies would make tries differ.
            client.cookies.clear()
            response = await client.send(request, stream=True)
            try:
                following = response.next_request
                if following is None or response.status_code in spec.expected_status:
                    body = await beginning(response, MAX_BODY_BYTES)
                    milliseconds = (time.monotonic() - begin) * 1000
                    text = body.decode(errors="replace")
                    contains = spec.contains is None or spec.contains in text
                    return of_http(
                        spec, response.status_code, text, milliseconds, contains=contains
                    )
            finally:
                await response.aclose()
            if following.url.host != url.host:
                reason = f"HTTP {response.status_code} leads to another host, {following.url.host}"
                return Probe(CheckResult.FAILED, f"{reason}, which this check does not ask")
            request = following
        return Probe(CheckResult.FAILED, f"{url}: more than {_MOST_REDIRECTS} redirects")
