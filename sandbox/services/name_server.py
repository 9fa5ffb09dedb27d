"""A DNS server that answers from Route 53's zones of all accounts, once a change is INSYNC."""

from __future__ import annotations

import time
from collections.abc import Iterator
from socketserver import BaseRequestHandler, BaseServer, ThreadingTCPServer, ThreadingUDPServer
from threading import Thread
from typing import TYPE_CHECKING

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
from moto.route53.models import FakeZone, route53_backends

from sandbox.http.aws_call import Call
from sandbox.http.call_log import OK
from sandbox.http.wsgi_server import LOOPBACK
from sandbox.scenario import DNS, DNS_QUERY
from sandbox.services.dns_records import dns_records
from sandbox.services.hosted_zones import in_sync_records

if TYPE_CHECKING:
    from sandbox.http.control import SandboxControl

_MAX_UDP = 512
_MOST_ALIASES = 8


class NameServer:
    """A DNS server on UDP and TCP of 127.0.0.1, at the same port."""

    def __init__(self, control: SandboxControl, port: int) -> None:
        """Bind the port; 0 selects a free one."""
        tcp = _TcpServer((LOOPBACK, port), _TcpHandler)
        self.port = int(tcp.server_address[1])
        try:
            udp = _UdpServer((LOOPBACK, self.port), _UdpHandler)
        except OSError:
            tcp.server_close()
            raise
        self._servers: tuple[_TcpServer | _UdpServer, ...] = (tcp, udp)
        for server in self._servers:
            server.control = control
        self._threads = [
            Thread(target=server.serve_forever, args=(0.05,), name="sandbox-dns", daemon=True)
            for server in self._servers
        ]

    def start(self) -> None:
        """Start to answer."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop answering and close the port."""
        for server in self._servers:
            server.shutdown()
            server.server_close()
        for thread in self._threads:
            thread.join()


class _TcpServer(ThreadingTCPServer):
    control: SandboxControl
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False


class _UdpServer(ThreadingUDPServer):
    control: SandboxControl
    daemon_threads = True
    block_on_close = False


class _UdpHandler(BaseRequestHandler):
    def handle(self) -> None:
        wire, connection = self.request
        query = _read(wire)
        if query is None or (response := _respond(query, _control(self.server))) is None:
            return
        size = max(query.payload, _MAX_UDP)
        try:
            answer = response.to_wire(max_size=size)
        except dns.exception.TooBig:
            # The client asks again by TCP.
            truncated = dns.message.make_response(query)
            truncated.flags |= dns.flags.TC
            answer = truncated.to_wire()
        connection.sendto(answer, self.client_address)


class _TcpHandler(BaseRequestHandler):
    def handle(self) -> None:
        try:
            query, _ = dns.query.receive_tcp(self.request, time.time() + 5)
        except (dns.exception.DNSException, OSError, EOFError):
            return
        if (response := _respond(query, _control(self.server))) is not None:
            dns.query.send_tcp(self.request, response)


def _control(server: BaseServer) -> SandboxControl:
    assert isinstance(server, _TcpServer | _UdpServer), "the handlers are of these servers"
    return server.control


def _read(wire: bytes) -> dns.message.Message | None:
    try:
        return dns.message.from_wire(wire)
    except dns.exception.DNSException:
        return None


def _respond(query: dns.message.Message, control: SandboxControl) -> dns.message.Message | None:
    """Return the answer to a query, or None if a fault has it lost."""
    response = dns.message.make_response(query, recursion_available=True)
    if len(query.question) != 1:
        response.set_rcode(dns.rcode.FORMERR)
        return response
    name, kind = query.question[0].name, query.question[0].rdtype
    found = _zone(name)
    account_id = found[0] if found else ""
    text = f"{name.to_text(omit_final_dot=True)} {dns.rdatatype.to_text(kind)}"
    call = Call(DNS, DNS_QUERY, "", account_id, text=text)
    delay, fault = control.faults.decide(call)
    time.sleep(delay)
    if fault is not None and fault.error is None:
        control.log(call, str(fault.effect), fault=fault.name)
        return None
    rcode = dns.rcode.from_text(fault.error) if fault and fault.error else None
    if rcode is None:
        rcode = _answer(response, name, kind)
    response.set_rcode(rcode)
    result = OK if rcode == dns.rcode.NOERROR else dns.rcode.to_text(rcode)
    control.log(call, result, fault=fault.name if fault else None)
    return response


def _answer(
    response: dns.message.Message, name: dns.name.Name, kind: dns.rdatatype.RdataType
) -> dns.rcode.Rcode:
    """Add the records of a name, and of those that it is another name of."""
    for _ in range(_MOST_ALIASES):
        found = _zone(name)
        if found is None:
            # Outside these zones: what is known is the whole answer.
            return dns.rcode.NOERROR if response.answer else dns.rcode.REFUSED
        records = [each for each in in_sync_records(*found) if _name(each.name) == name]
        if not records:
            return dns.rcode.NXDOMAIN
        alias = None
        for record in records:
            is_alias = record.type == "CNAME"
            if record.records and (record.type == dns.rdatatype.to_text(kind) or is_alias):
                response.answer.append(
                    dns_records(record.name, str(record.type), int(record.ttl or 0), record.records)
                )
            if is_alias and record.records and kind != dns.rdatatype.CNAME:
                alias = _name(record.records[0])
            elif record.alias_target and record.type == dns.rdatatype.to_text(kind):
                alias = _name(record.alias_target["DNSName"])
        if alias is None:
            return dns.rcode.NOERROR
        name = alias
    return dns.rcode.SERVFAIL


def _zone(name: dns.name.Name) -> tuple[str, FakeZone] | None:
    """Return the zone that has a name, the most specific one, and its account."""
    having = [(a, zone) for a, zone in _zones() if name.is_subdomain(_name(zone.name))]
    return max(having, key=lambda each: len(_name(each[1].name)), default=None)


def _zones() -> Iterator[tuple[str, FakeZone]]:
    for account_id, partitions in list(route53_backends.items()):
        for backend in list(partitions.values()):
            for zone in list(backend.zones.values()):
                yield account_id, zone


def _name(text: str) -> dns.name.Name:
    return dns.name.from_text(text)
