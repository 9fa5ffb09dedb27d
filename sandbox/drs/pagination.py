"""Pages of a listing, stable while the listing grows."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import TypeVar

from .exceptions import ValidationException

DEFAULT_PAGE_SIZE = 100
MAX_PAGE_SIZE = 1000

Item = TypeVar("Item")
Key = tuple[float | str, ...]


def paginate(
    operation: str,
    items: Sequence[Item],
    key: Callable[[Item], Key],
    max_results: int | None,
    next_token: str | None,
) -> tuple[list[Item], str | None]:
    """Cut one page out of a listing.

    The token holds the key of the last item given out rather than a number of items, so that jobs
    that start between two calls neither repeat nor hide any.

    Args:
        operation: The API operation; a token of another one is refused.
        items: The whole listing, in any order.
        key: Unique, and comparable among the items: the listing's order.
        max_results: The page size asked for.
        next_token: The token of the page before.

    Returns:
        The page, and the token of the next one or None.

    Raises:
        ValidationException: For a token that is not of this listing or a page size below 1.
    """
    if max_results is not None and max_results < 1:
        raise ValidationException("maxResults", "must be at least 1")
    ordered = sorted(items, key=key)
    if next_token:
        last = _read_token(operation, next_token)
        ordered = [item for item in ordered if _comparable(key(item), last) and key(item) > last]
    size = min(max_results or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)
    page = ordered[:size]
    if len(ordered) <= size:
        return page, None
    return page, _write_token(operation, key(page[-1]))


def _comparable(key: Key, last: Key) -> bool:
    kinds = [isinstance(part, str) for part in key]
    if kinds != [isinstance(part, str) for part in last]:
        raise ValidationException("nextToken", "is not valid")
    return True


def _write_token(operation: str, last: Key) -> str:
    return base64.urlsafe_b64encode(json.dumps([operation, *last]).encode()).decode()


def _read_token(operation: str, token: str) -> Key:
    try:
        token_operation, *last = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (binascii.Error, ValueError, TypeError):
        raise ValidationException("nextToken", "is not valid") from None
    if token_operation != operation or not all(
        isinstance(part, int | float | str) for part in last
    ):
        raise ValidationException("nextToken", "is not valid")
    return tuple(last)
