"""The verdicts about answers, whether the worker or a server got them."""

import dns.exception
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.txtbase

from activities.steps.interface import Probe
from recovery.steps.model import Dns, HttpGet
from recovery.steps.state import CheckResult
from recovery.text_format import visible

_SHOWN_CHARACTERS = 200


def of_http(spec: HttpGet, status: int, body: str, milliseconds: float, *, contains: bool) -> Probe:
    """The verdict about an answer.

    Args:
        spec: what is expected.
        status: the answer's.
        body: the beginning of its text, which is shown.
        milliseconds: how long it took.
        contains: whether the body has the text that it must have.
    """
    text = visible(body[:_SHOWN_CHARACTERS]).strip()
    seen = f"HTTP {status} after {round(milliseconds)} ms" + (f': "{text}"' if text else "")
    expected = spec.expected_status or range(200, 300)
    if status not in expected:
        wanted = ", ".join(map(str, spec.expected_status)) or "200 to 299"
        return Probe(CheckResult.FAILED, f"{seen}; expected is {wanted}")
    if not contains:
        return Probe(CheckResult.FAILED, f'{seen}; it does not contain "{spec.contains}"')
    return Probe(CheckResult.PASSED, seen)


def dns_value(data: dns.rdata.Rdata) -> str:
    """A value of an answer: the strings of a TXT record joined, a name without its last dot."""
    if isinstance(data, dns.rdtypes.txtbase.TXTBase):
        return b"".join(data.strings).decode(errors="replace")
    return data.to_text().rstrip(".").lower()


def parsed_dns_value(kind: str, text: str) -> str | None:
    """A value in the form of zone files; None if it is of another type."""
    try:
        return dns_value(
            dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.from_text(kind), text)
        )
    except dns.exception.DNSException:
        return None


def of_dns(spec: Dns, values: set[str], milliseconds: float) -> Probe:
    """The verdict about an answer's values, which are compared as sets."""
    wanted = {_expected(spec, each) for each in spec.values}
    answer = ", ".join(sorted(values)) or "no such record"
    name = f"{visible(spec.name)} {spec.type}"
    seen = f"{name} is {visible(answer)} (after {round(milliseconds)} ms)"
    if values and (not wanted or values == wanted):
        return Probe(CheckResult.PASSED, seen)
    expected = f"; expected is {visible(', '.join(sorted(wanted)))}" if wanted else ""
    return Probe(CheckResult.FAILED, seen + expected)


def _expected(spec: Dns, value: str) -> str:
    """An expected value in the form of `dns_value`."""
    if spec.type == "TXT":
        return value
    return parsed_dns_value(spec.type, value) or value
