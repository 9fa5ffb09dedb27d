"""Links to the AWS console."""

from urllib.parse import quote

# Source: AWS General Reference, partitions.
_DOMAINS = {"cn-": "console.amazonaws.cn", "us-gov-": "console.amazonaws-us-gov.com"}


def console_link(region: str, place: str, *parts: str, fragment: str = "") -> str:
    """A link to the console.

    Args:
        region: where.
        place: the path in the console, to which `parts` are added.
        parts: IDs and names; each is encoded.
        fragment: what stands after `#`, to which `parts` are added instead.
    """
    domain = next((d for start, d in _DOMAINS.items() if region.startswith(start)), None)
    host = f"{region}.{domain or 'console.aws.amazon.com'}"
    encoded = "/".join(quote(each, safe="") for each in parts)
    if fragment:
        return f"https://{host}/{place}?region={region}#{fragment}/{encoded}"
    return f"https://{host}/{place}/{encoded}?region={region}"
