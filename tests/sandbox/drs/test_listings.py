"""Listings: pages, filters, order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from sandbox.drs.pagination import paginate
from tests.examples import examples
from tests.sandbox.local_aws import LocalAws, error_of, many_servers, server_id


@pytest.fixture(scope="module")
def busy() -> Iterator[LocalAws]:
    """An account with 25 servers and as many completed jobs and instances."""
    with LocalAws(many_servers(25)) as aws:
        for number in range(25):
            aws.launch(server_id(number))
            aws.pass_time(600)
        yield aws


@examples(8)
@given(size=st.integers(1, 30))
@pytest.mark.parametrize(
    ("operation", "arguments", "identity"),
    [
        ("describe_source_servers", {}, "sourceServerID"),
        ("describe_jobs", {}, "jobID"),
        ("describe_recovery_instances", {}, "recoveryInstanceID"),
        ("describe_recovery_snapshots", {"sourceServerID": server_id(0)}, "snapshotID"),
    ],
)
def test_the_pages_of_a_listing_together_are_the_listing(
    busy: LocalAws, operation: str, arguments: dict[str, str], identity: str, size: int
) -> None:
    call: Any = getattr(busy.drs, operation)
    whole = [item[identity] for item in call(**arguments)["items"]]
    pages = list(
        busy.drs.get_paginator(operation).paginate(  # type: ignore[call-overload]  # the name varies
            **arguments, PaginationConfig={"PageSize": size}
        )
    )
    assert [item[identity] for page in pages for item in page["items"]] == whole
    assert all(len(page["items"]) <= size for page in pages)
    assert len(set(whole)) == len(whole)


@given(
    before=st.sets(st.integers(0, 1000), min_size=1),
    meanwhile=st.sets(st.integers(0, 1000)),
    size=st.integers(1, 7),
)
def test_items_that_appear_between_pages_neither_repeat_nor_hide_any(
    before: set[int], meanwhile: set[int], size: int
) -> None:
    items, token = paginate("Numbers", list(before), lambda n: (-n,), size, None)
    seen = items
    while token:
        items, token = paginate("Numbers", list(before | meanwhile), lambda n: (-n,), size, token)
        seen = seen + items
    assert len(seen) == len(set(seen))
    if len(seen) > size:
        assert before <= set(seen)


def test_jobs_are_listed_newest_first(busy: LocalAws) -> None:
    created = [job["creationDateTime"] for job in busy.drs.describe_jobs()["items"]]
    assert created == sorted(created, reverse=True)


def test_jobs_can_be_filtered_by_date_and_id(busy: LocalAws) -> None:
    jobs = busy.drs.describe_jobs()["items"]
    middle = jobs[10]
    moment = middle["creationDateTime"].replace("+00:00", "Z")
    since = busy.drs.describe_jobs(filters={"fromDate": moment})["items"]
    until = busy.drs.describe_jobs(filters={"toDate": moment})["items"]
    assert (len(since), len(until)) == (11, 15)
    wanted = [jobs[3]["jobID"], "drsjob-00000000000000000"]
    found = busy.drs.describe_jobs(filters={"jobIDs": wanted})["items"]
    assert [job["jobID"] for job in found] == wanted[:1]


def test_a_token_of_another_listing_is_refused(busy: LocalAws) -> None:
    token = busy.drs.describe_jobs(maxResults=1)["nextToken"]
    for bad in (token, "garbage", "W10="):
        with pytest.raises(ClientError) as refusal:
            busy.drs.describe_source_servers(nextToken=bad)
        assert error_of(refusal.value)["error"] == "ValidationException"
