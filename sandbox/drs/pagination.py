"""Pagination that is stable while the list grows."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from typing import TypeVar

from .exceptions import ValidationException

DEFAULT_PAGE_SIZE = 100
MAX_PAGE_SIZE = 1000

Item = TypeVar("Item")
Key = tuple[float | str, ...]


def paginate(
    listing: str,
    items: Sequence[Item],
    key: Callable[[Item], Key],
    max_results: int | None,
    next_token: str | None,
) -> tuple[list[Item], str | None]:
    """Return one page of a list.

    The token contains the key of the last returned item, not an offset. Jobs that start between two
    calls therefore neither repeat nor hide an item.

    Args:
        listing: What is listed. A token of another listing is rejected.
        items: All items, in any order.
        key: Returns the sort key of an item, which must be unique.
        max_results: The requested page size.
        next_token: The token of the previous page.

    Returns:
        The page, and the token of the next page or None.

    Raises:
        ValidationException: The token is from another listing.
    """
    ordered = sorted(items, key=key)
    if next_token:
        try:
            token_listing, *last = json.loads(base64.urlsafe_b64decode(next_token))
            if token_listing != listing:
                raise ValueError(token_listing)
            ordered = [item for item in ordered if key(item) > tuple(last)]
        except (TypeError, ValueError):
            raise ValidationException("nextToken", "is not valid") from None
    size = min(max_results or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)
    page = ordered[:size]
    if len(ordered) <= size:
        return page, None
    token = json.dumps([listing, *key(page[-1])])
    return page, base64.urlsafe_b64encode(token.encode()).decode()
