"""What DRS's jobs say of a launch: its own, one that may be it, one in the way, one that did it."""

from typing import Any

import pytest

from aws.drs.launch_search import part_id, search
from aws.drs.models import LAUNCH_ID_TAG, Job
from contract.launch import LaunchRequest
from recovery.plan.model import Server, Target
from tests.recovery.plans import server_id

SINCE = 1_700_000_000.0
BEFORE, AFTER = "2023-11-14T22:00:00Z", "2023-11-14T22:14:00Z"  # 22:13:20 is SINCE
WANTED = LaunchRequest(
    launch_id="crm-1/db/1/0",
    target=Target(region="us-west-2"),
    servers=[Server(source_server_id=server_id(n)) for n in (1, 2)],
    is_drill=True,
    since=SINCE,
    wave_workflow_id="drs-wave/crm-1/db/1",
)


def job(*numbers: int, launched: tuple[int, ...] = (), **fields: Any) -> Job:
    answer: dict[str, Any] = {
        "jobID": "drsjob-1",
        "type": "LAUNCH",
        "status": "STARTED",
        "initiatedBy": "START_DRILL",
        "creationDateTime": AFTER,
        "participatingServers": [
            {
                "sourceServerID": server_id(n),
                "launchStatus": "LAUNCHED" if n in launched else "FAILED",
            }
            for n in numbers
        ],
    }
    return Job.model_validate(answer | fields)


def ended(*numbers: int, at: str = AFTER, **fields: Any) -> Job:
    return job(*numbers, **{"status": "COMPLETED", "endDateTime": at} | fields)


def test_a_job_with_the_launch_id_is_its_own_whatever_else_there_is() -> None:
    own = job(1, 2, jobID="drsjob-2", tags={LAUNCH_ID_TAG: WANTED.launch_id})
    found = search([job(1), own, ended(2)], WANTED)
    assert found.own == own
    assert (found.candidates, found.blocking, found.launched_by_others) == ((), (), {})


@pytest.mark.parametrize(
    ("one", "may_be_it"),
    [
        (job(1, 2), True),
        (job(1), True),
        (job(), True),
        (job(1, 2, initiatedBy=None), True),
        (job(1, 2, creationDateTime=None), True),
        (ended(1, 2), True),
        (job(1, 2, 3), False),
        (job(3), False),
        (job(1, 2, initiatedBy="START_RECOVERY"), False),
        (job(1, 2, initiatedBy="TERMINATE_RECOVERY_INSTANCES"), False),
        (job(1, 2, creationDateTime=BEFORE), False),
        (job(1, 2, tags={LAUNCH_ID_TAG: "erp-1/db/1/0"}), False),
        (job(1, 2, tags={"owner": "somebody"}), False),
    ],
)
def test_only_an_untagged_new_job_of_these_servers_and_mode_may_be_it(
    one: Job, may_be_it: bool
) -> None:
    assert search([one], WANTED).candidates == ((one,) if may_be_it else ())


@pytest.mark.parametrize(
    ("numbers", "may_be_it"), [((1, 3), True), ((1, 2, 3), True), ((3,), False), ((1, 4), False)]
)
def test_a_job_of_a_shared_call_may_be_it_if_it_works_on_one_of_the_launchs_own_servers(
    numbers: tuple[int, ...], may_be_it: bool
) -> None:
    found = search([job(*numbers)], WANTED, batch_server_ids=[server_id(3)])
    assert bool(found.candidates) == may_be_it


@pytest.mark.parametrize("initiated_by", ["START_DRILL", "START_RECOVERY", "SOMETHING_NEW", None])
def test_any_running_job_that_holds_a_server_blocks(initiated_by: str | None) -> None:
    one = job(2, 3, initiatedBy=initiated_by, creationDateTime=BEFORE)
    assert search([one, job(3), ended(1)], WANTED).blocking == (one,)


@pytest.mark.parametrize(
    ("jobs", "taken"),
    [
        ([ended(1, 2, launched=(1,))], [1]),
        ([ended(1, 2, launched=(1, 2), at=BEFORE)], []),
        ([ended(1, launched=(1,), initiatedBy="START_RECOVERY")], []),
        ([ended(1, launched=(1,), initiatedBy=None)], []),
        ([job(1, 2, launched=(2,))], [2]),
        (
            [
                ended(1, launched=(1,), creationDateTime=BEFORE),
                ended(1, creationDateTime=AFTER, type="TERMINATE", jobID="drsjob-2"),
            ],
            [],
        ),
    ],
)
def test_what_another_job_of_the_mode_launched_meanwhile_is_taken_over(
    jobs: list[Job], taken: list[int]
) -> None:
    found = search(jobs, WANTED).launched_by_others
    assert list(found) == [server_id(n) for n in taken]


def test_a_server_that_is_to_be_relaunched_is_not_taken_over() -> None:
    wanted = WANTED.model_copy(update={"relaunch": [server_id(1)]})
    found = search([ended(1, 2, launched=(1, 2))], wanted)
    assert list(found.launched_by_others) == [server_id(2)]


@pytest.mark.parametrize("status", [None, "ARCHIVED"])
def test_a_job_in_a_status_we_do_not_know_holds_no_launch_up(status: str | None) -> None:
    assert search([job(1, 2, status=status)], WANTED).blocking == ()


def test_the_jobs_of_its_parts_are_found_beside_the_job_of_the_rest() -> None:
    part = job(1, tags={LAUNCH_ID_TAG: part_id(WANTED.launch_id, server_id(1))})
    rest = job(2, jobID="drsjob-2", tags={LAUNCH_ID_TAG: WANTED.launch_id})
    found = search([part, rest], WANTED)
    assert (found.own, found.parts) == (rest, {server_id(1): part})


def test_a_job_of_a_part_of_the_launch_is_its_own_and_blocks_nothing() -> None:
    part = job(2, tags={LAUNCH_ID_TAG: part_id(WANTED.launch_id, server_id(2))})
    found = search([part], WANTED)
    assert found.parts == {server_id(2): part}
    assert (found.own, found.candidates, found.blocking) == (None, (), ())
    assert found.launched_by_others == {}


def test_a_job_without_an_id_that_has_a_server_blocks_its_launch() -> None:
    items = job(1).model_dump(by_alias=True) | {"jobID": None}
    nameless = Job.model_validate(items)
    assert nameless.job_id.startswith("no-id-")
    assert search([nameless], WANTED).blocking == (nameless,)
