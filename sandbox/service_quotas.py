"""Service Quotas for DRS and EC2, which moto's backend does not include."""

import json

from moto.core.responses import BaseResponse
from moto.servicequotas.exceptions import NoSuchResource
from moto.servicequotas.responses import ServiceQuotasResponse

from sandbox.drs import drs_backends

_NAMES = {
    "drs": "AWS Elastic Disaster Recovery",
    "ec2": "Amazon Elastic Compute Cloud (Amazon EC2)",
}
# In vCPUs.
_STANDARD = "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances"
_OTHER_EC2_QUOTAS = [
    ("L-DB2E81BA", "Running On-Demand G and VT instances", 64),
    ("L-417A185B", "Running On-Demand P instances", 64),
    ("L-7295265B", "Running On-Demand X instances", 128),
]


def register() -> None:
    """Make moto's ListServiceQuotas return the quotas of DRS and EC2."""
    ServiceQuotasResponse.list_service_quotas = _list_service_quotas  # type: ignore[attr-defined]


def _list_service_quotas(response: BaseResponse) -> str:
    service_code = str(json.loads(response.body).get("ServiceCode"))
    if service_code not in _NAMES:
        raise NoSuchResource
    quotas = drs_backends[response.current_account][response.region].quotas
    values = quotas.listed()
    if service_code == "ec2":
        standard = ("L-1216C47A", _STANDARD, quotas.standard_vcpus)
        values = [standard, *_OTHER_EC2_QUOTAS]
    listed = [
        {
            "ServiceCode": service_code,
            "ServiceName": _NAMES[service_code],
            "QuotaCode": code,
            "QuotaName": name,
            "Value": float(value),
            "Unit": "None",
            "Adjustable": False,
            "GlobalQuota": False,
        }
        for code, name, value in values
    ]
    return json.dumps({"Quotas": listed})
