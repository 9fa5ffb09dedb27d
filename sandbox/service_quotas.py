"""Service Quotas for DRS, which moto's backend does not include."""

import json
from typing import Any

from moto.core.responses import BaseResponse
from moto.servicequotas.exceptions import NoSuchResource
from moto.servicequotas.responses import ServiceQuotasResponse

from sandbox.drs import drs_backends
from sandbox.drs.quotas import JOBS_IN_PROGRESS_CODE, SERVERS_IN_ALL_JOBS_CODE, SERVERS_IN_JOB_CODE


def register() -> None:
    """Make moto's ListServiceQuotas return the quotas of DRS."""
    ServiceQuotasResponse.list_service_quotas = _list_service_quotas  # type: ignore[attr-defined]


def _list_service_quotas(response: BaseResponse) -> str:
    service_code = str(json.loads(response.body).get("ServiceCode"))
    if service_code != "drs":
        raise NoSuchResource
    quotas = drs_backends[response.current_account][response.region].quotas
    values = {
        JOBS_IN_PROGRESS_CODE: ("Concurrent jobs in progress", quotas.jobs_in_progress),
        SERVERS_IN_JOB_CODE: ("Max source servers in a single Job", quotas.servers_in_job),
        SERVERS_IN_ALL_JOBS_CODE: ("Max source servers in all Jobs", quotas.servers_in_all_jobs),
    }
    return json.dumps({"Quotas": [_quota(code, *named) for code, named in values.items()]})


def _quota(code: str, name: str, value: int) -> dict[str, Any]:
    return {
        "ServiceCode": "drs",
        "ServiceName": "AWS Elastic Disaster Recovery",
        "QuotaCode": code,
        "QuotaName": name,
        "Value": float(value),
        "Unit": "None",
        "Adjustable": False,
        "GlobalQuota": False,
    }
