"""DRS's answers, parsed at the edge: what one of them lacks hides no other."""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any, cast
from unittest.mock import MagicMock

import pytest

from aws.drs.client import DrsClient
from aws.drs.models import SourceServer
from aws.errors import AwsError, AwsErrorKind
from aws.sessions import AwsSessions
from tests.aws_in_process import TARGET


class Session:
    """A fake of our sessions, their client and its paginator, with the pages of one response."""

    def __init__(self, pages: Iterable[dict[str, Any]]) -> None:
        self._pages = pages

    def client(self, service: str, target: object, *, retries: bool) -> "Session":
        return self

    meta = MagicMock()

    def get_paginator(self, operation: str) -> "Session":
        return self

    def paginate(self, **request: Any) -> Iterator[dict[str, Any]]:
        return iter(self._pages)


def drs(pages: Iterable[dict[str, Any]]) -> DrsClient:
    return DrsClient(cast(AwsSessions, Session(pages)), TARGET)


async def test_a_participant_without_an_id_does_not_hide_the_whole_answer() -> None:
    servers = [{"launchStatus": "LAUNCHED"}, {"sourceServerID": "s-1"}]
    jobs = [{"jobID": "drsjob-1", "participatingServers": servers}, {"jobID": "drsjob-2"}]
    found = await drs([{"items": jobs}]).jobs_since(0.0)
    assert [job.job_id for job in found] == ["drsjob-1", "drsjob-2"]
    assert found[0].server_ids == ("s-1",)


async def test_an_answer_of_endless_pages_is_unclear() -> None:
    endless = ({"items": [], "nextToken": str(number)} for number in itertools.count())
    with pytest.raises(AwsError, match="DescribeJobs: the response has too many pages") as caught:
        await drs(endless).jobs_since(0.0)
    assert caught.value.kind is AwsErrorKind.UNCLEAR


@pytest.mark.parametrize(
    ("state", "lag", "seconds"),
    [
        ("CONTINUOUS", None, 0.0),
        ("CONTINUOUS", "PT40M", 2400.0),
        ("CONTINUOUS", "a while", None),
        ("PAUSED", None, None),
    ],
)
def test_a_lag_that_drs_does_not_name_is_none_only_of_a_continuous_replication(
    state: str, lag: str | None, seconds: float | None
) -> None:
    info = {"dataReplicationState": state} | ({"lagDuration": lag} if lag else {})
    server = {"sourceServerID": "s-1", "dataReplicationInfo": info}
    assert SourceServer.model_validate(server).lag_seconds == seconds
