"""Pagination that is stable while the list grows."""

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
    """Return one page of a list.

    The token contains the key of the last returned item, not an offset. Jobs that start between two
    calls therefore neither repeat nor hide an item.

    Args:
        operation: The API operation. A token of another operation is rejected.
        items: All items, in any order.
        key: Returns the sort key of an item, which must be unique.
        max_results: The requested page size.
        next_token: The token of the previous page.

    Returns:
        The page, and the token of the next page or None.

    Raises:
        ValidationException: The token is from another operation, or the page size is below 1.
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
