"""Makes checks that neither hang nor hide each other."""

import asyncio
from collections.abc import Awaitable

from recovery.doctor.check import Check, Part


async def bounded(
    part: Part, subject: str, checking: Awaitable[list[Check]], seconds: float
) -> list[Check]:
    """The checks; that they failed or took too long is the result of one.

    Args:
        part: what is checked.
        subject: the same, closer.
        checking: makes the checks.
        seconds: how long it may take.
    """
    try:
        async with asyncio.timeout(seconds):
            return await checking
    except TimeoutError:
        return [Check.fail(part, subject, f"no answer within {seconds:g} s")]
    except Exception as error:
        # Also a defect of one check: the others are shown.
        return [Check.fail(part, subject, str(error) or type(error).__name__)]


async def together(*checking: Awaitable[list[Check]]) -> list[Check]:
    """The checks of several parts, made at the same time."""
    return [check for checks in await asyncio.gather(*checking) for check in checks]
