"""The quotas: from the settings, from Service Quotas, or AWS's defaults."""

from aws.quotas import ServiceQuotas, configured
from aws.sessions import AwsSessions
from recovery.launch.admission import Quotas
from recovery.plan.model import Target
from settings import Settings
from tests.aws_in_process import LocalAws

HERE = Target(region="us-west-2")


async def test_the_quotas_of_service_quotas_are_used(aws: LocalAws) -> None:
    aws.servers()
    aws.apply(Quotas={"JobsInProgress": 7, "ServersInAllJobs": 200, "ServersInJob": 50})
    quotas = await ServiceQuotas(AwsSessions(), Settings()).of(HERE)
    assert quotas == Quotas(jobs=7, servers=200, servers_per_job=50)


async def test_settings_override_service_quotas(aws: LocalAws) -> None:
    aws.servers()
    aws.apply(Quotas={"JobsInProgress": 7, "ServersInAllJobs": 200})
    quotas = await ServiceQuotas(AwsSessions(), Settings(jobs_quota=5)).of(HERE)
    assert quotas == Quotas(jobs=5, servers=200)


async def test_without_permission_the_defaults_are_used_and_the_call_is_not_repeated_at_once(
    aws: LocalAws,
) -> None:
    aws.servers()
    aws.apply(Quotas={"JobsInProgress": 7})
    aws.fault("ListServiceQuotas", Service="service-quotas", Error="AccessDeniedException")
    quotas = ServiceQuotas(AwsSessions(), Settings())
    assert await quotas.of(HERE) == Quotas()
    assert await quotas.of(HERE) == Quotas()
    assert aws.calls("ListServiceQuotas", "service-quotas") == 1


def test_the_defaults_are_awss_own() -> None:
    assert configured(Settings()) == Quotas(jobs=20, servers=500, servers_per_job=100)
