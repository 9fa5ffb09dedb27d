"""Service Quotas for DRS, which moto's backend does not include."""

import json

from moto.core.responses import BaseResponse
from moto.servicequotas.exceptions import NoSuchResource
from moto.servicequotas.responses import ServiceQuotasResponse

from sandbox.drs import drs_backends


def register() -> None:
    """Make moto's ListServiceQuotas return the quotas of DRS."""
    ServiceQuotasResponse.list_service_quotas = _list_service_quotas  # type: ignore[attr-defined]


def _list_service_quotas(response: BaseResponse) -> str:
    service_code = str(json.loads(response.body).get("ServiceCode"))
    if service_code != "drs":
        raise NoSuchResource
    quotas = drs_backends[response.current_account][response.region].quotas
    listed = [
        {
            "ServiceCode": "drs",
            "ServiceName": "AWS Elastic Disaster Recovery",
            "QuotaCode": code,
            "QuotaName": name,
            "Value": float(value),
            "Unit": "None",
            "Adjustable": False,
            "GlobalQuota": False,
        }
        for code, name, value in quotas.listed()
    ]
    return json.dumps({"Quotas": listed})
