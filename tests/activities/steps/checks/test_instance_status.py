"""Whether EC2's status checks of recovered servers pass."""

from recovery.steps.state import CheckResult
from tests.activities.steps.checks.probes import Prober, check, recovered
from tests.aws_in_process import LocalAws


async def test_all_servers_with_passed_checks_pass(aws: LocalAws, probe: Prober) -> None:
    found = await probe(check(recovered(aws, 130), InstanceStatus={}))
    assert found.result is CheckResult.PASSED
    assert found.evidence == "web-1: EC2's status checks are ok (all 130 servers pass)"
    assert aws.calls("DescribeInstanceStatus", "ec2") == 2


async def test_an_impaired_server_fails_and_is_named(aws: LocalAws, probe: Prober) -> None:
    servers = [*recovered(aws, 1), *recovered(aws, 1, StatusChecks="impaired")]
    servers[1].name = "db-1"
    found = await probe(check(servers, InstanceStatus={}))
    assert found.result is CheckResult.FAILED
    assert found.evidence == "db-1: EC2's instance check is impaired (1 of 2 servers pass)"


async def test_checks_that_still_run_fail(aws: LocalAws, probe: Prober) -> None:
    found = await probe(check(recovered(aws, StatusCheckSeconds="never"), InstanceStatus={}))
    assert found.result is CheckResult.FAILED
    assert "initializing" in found.evidence


async def test_a_stopped_instance_fails(aws: LocalAws, probe: Prober) -> None:
    (server,) = recovered(aws)
    aws.client("ec2").stop_instances(InstanceIds=[server.instance_id])
    found = await probe(check([server], InstanceStatus={}))
    assert found.result is CheckResult.FAILED
    assert found.evidence == "web-1: its instance is stopped"
