"""Converts records of Route 53 to those of DNS."""

from __future__ import annotations

from collections.abc import Sequence

import dns.exception
import dns.name
import dns.rrset


def dns_records(name: str, kind: str, ttl: int, values: Sequence[str]) -> dns.rrset.RRset:
    """Return the records of a name. Names without a final dot are absolute, as in Route 53.

    Raises:
        ValueError: A value does not fit the type.
    """
    root = dns.name.root
    try:
        owner = dns.name.from_text(name)
        return dns.rrset.from_text_list(owner, ttl, "IN", kind, values, None, root, False)
    except (dns.exception.DNSException, ValueError) as error:
        raise ValueError(f"{', '.join(values)} is not a value of {kind}: {error}") from None
