"""Records: what was there is kept, and what someone else set is not overwritten."""

from typing import Any

import pytest

from activities.steps.kinds.route53_record import encoded_text
from activities.steps.step_activities import StepActivities
from contract.steps import StartOutcome, WatchedStep
from recovery.steps.state import StepStatus
from settings import Settings
from tests.activities.steps.step_calls import step_activities, step_call
from tests.aws_in_process import Attempt, LocalAws, Temporal

OLD = {"Name": "shop.example.com", "Type": "CNAME", "Ttl": 300, "Values": ["old.example.com"]}
SET = {"ZoneId": "Z1", "Name": "Shop.example.com.", "Type": "CNAME", "Values": ["new.example.com"]}


@pytest.fixture
def steps(fast: Settings) -> StepActivities:
    return step_activities(fast)


def zone(aws: LocalAws, *records: dict[str, Any], seconds: Any = 0.0) -> None:
    entry = {"ZoneId": "Z1", "Name": "example.com", "ChangeSeconds": seconds, "Records": records}
    aws.apply(HostedZones=[entry])


def values(aws: LocalAws) -> dict[str, list[str]]:
    found = aws.client("route53").list_resource_record_sets(HostedZoneId="Z1")
    return {
        each["Name"] + each["Type"]: [value["Value"] for value in each["ResourceRecords"]]
        for each in found["ResourceRecordSets"]
        if each["Type"] not in ("NS", "SOA")
    }


async def test_a_record_is_replaced_and_what_was_there_is_kept(
    aws: LocalAws, steps: StepActivities, temporal: Temporal
) -> None:
    zone(aws, OLD)
    call = step_call(Route53Record=SET)
    start = await Attempt(temporal).run(steps.start_step, call)
    assert isinstance(start.before, dict)
    assert start.before["Was"] == {
        "Name": "shop.example.com.",
        "Type": "CNAME",
        "TTL": 300,
        "ResourceRecords": [{"Value": "old.example.com"}],
    }
    assert values(aws) == {"shop.example.com.CNAME": ["new.example.com"]}
    watched = WatchedStep(call=call, started=start)
    result = await Attempt(temporal).run(steps.watch_step, watched)
    assert result.status is StepStatus.SUCCEEDED


async def test_it_waits_until_all_servers_have_it(
    aws: LocalAws, steps: StepActivities, temporal: Temporal
) -> None:
    zone(aws, seconds="never")
    call = step_call(seconds=0.3, Route53Record=SET)
    start = await Attempt(temporal).run(steps.start_step, call)
    assert isinstance(start.before, dict)
    assert start.before["Was"] is None
    result = await Attempt(temporal).run(steps.watch_step, WatchedStep(call=call, started=start))
    assert result.status is StepStatus.TIMED_OUT
    assert "is PENDING" in result.reason


async def test_a_lost_answer_is_repeated_and_keeps_what_was_there_first(
    aws: LocalAws, steps: StepActivities, temporal: Temporal
) -> None:
    zone(aws, OLD)
    aws.fault("ChangeResourceRecordSets", Service="route53", Effect="answer-lost", Times=1)
    call = step_call(Route53Record=SET)
    first = Attempt(temporal)
    await first.run_failing(steps.start_step, call)
    assert values(aws) == {"shop.example.com.CNAME": ["new.example.com"]}
    start = await first.next().run(steps.start_step, call)
    assert start.outcome is StartOutcome.STARTED
    assert isinstance(start.before, dict)
    assert "old.example.com" in str(start.before["Was"])


async def test_what_someone_else_set_meanwhile_is_not_overwritten(
    aws: LocalAws, steps: StepActivities, temporal: Temporal
) -> None:
    zone(aws, OLD)
    aws.fault("ChangeResourceRecordSets", Service="route53", Effect="answer-lost", Times=1)
    call = step_call(Route53Record=SET)
    first = Attempt(temporal)
    await first.run_failing(steps.start_step, call)
    aws.clear_faults()
    zone(aws, OLD | {"Values": ["foreign.example.com"]})
    start = await first.next().run(steps.start_step, call)
    assert start.outcome is StartOutcome.UNKNOWN
    assert "foreign.example.com (TTL 300)" in start.reason
    assert values(aws) == {"shop.example.com.CNAME": ["foreign.example.com"]}


async def test_without_what_was_there_a_repeat_sends_nothing(
    aws: LocalAws, steps: StepActivities, temporal: Temporal
) -> None:
    zone(aws, OLD)
    call = step_call(call={"possibly_sent": True}, Route53Record=SET)
    start = await Attempt(temporal).run(steps.start_step, call)
    assert start.outcome is StartOutcome.UNKNOWN
    assert values(aws) == {"shop.example.com.CNAME": ["old.example.com"]}


async def test_text_is_encoded_as_a_value(
    aws: LocalAws, steps: StepActivities, temporal: Temporal
) -> None:
    zone(aws)
    text = 'v=1; a "quoted" \\ value ' + "x" * 300
    spec = SET | {"Type": "TXT", "Values": [text]}
    await Attempt(temporal).run(steps.start_step, step_call(Route53Record=spec))
    (value,) = values(aws)["shop.example.com.TXT"]
    assert value.startswith(r'"v=1; a \"quoted\" \\ value xxx')
    assert '" "' in value
    # The local Route 53 knows no octal numbers.
    assert encoded_text("ü") == r'"\303\274"'


async def test_a_zone_that_is_not_there_is_not_changed(
    aws: LocalAws, steps: StepActivities, temporal: Temporal
) -> None:
    start = await Attempt(temporal).run(steps.start_step, step_call(Route53Record=SET))
    assert start.outcome is StartOutcome.NOT_STARTED
    assert "NoSuchHostedZone" in start.reason
