"""Where a drill launches, for every screen."""

from collections.abc import Iterable, Sequence

from recovery.text_format import count, listed

_NAMES_SHOWN = 10


def isolation_text(waves: Iterable[tuple[str, Sequence[str | None]]]) -> str:
    """Say which waves a drill isolates, and in which subnets; "" if it isolates none.

    Args:
        waves: each with its name and, of each of its servers, the subnet in which the drill is
            isolated; None: it is launched where recoveries are.
    """
    by_subnet: dict[str | None, list[str]] = {}
    for name, subnets in waves:
        for subnet in dict.fromkeys(subnets):
            own = subnets.count(subnet)
            some = f" ({own} of {count(len(subnets), 'server')})" if own < len(subnets) else ""
            by_subnet.setdefault(subnet, []).append(f"{name}{some}")
    production = by_subnet.pop(None, [])
    if not by_subnet:
        return ""
    if len(by_subnet) == 1 and not production:
        return f"isolated in {next(iter(by_subnet))}"
    where = [
        f"{listed(names, shown=_NAMES_SHOWN)} in {subnet}"
        for subnet, names in sorted(by_subnet.items(), key=lambda each: each[0] or "")
    ]
    text = f"isolated: {'; '.join(where)}"
    if not production:
        return text
    return f"{text}; NOT isolated: {listed(production, shown=_NAMES_SHOWN)}"
