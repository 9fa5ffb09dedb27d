"""Service Quotas lists those of DRS."""

from __future__ import annotations

from tests.sandbox.local_aws import LocalAws


def test_all_quotas_of_drs_are_listed_with_their_codes() -> None:
    with LocalAws() as aws:
        quotas = aws.client("service-quotas").list_service_quotas(ServiceCode="drs")["Quotas"]
        values = {each["QuotaCode"]: each["Value"] for each in quotas}
        assert values["L-C1D14A2B"] == 300
        assert values["L-E28BE5E0"] == 4000
        others = {"L-D88FAC3A", "L-B827C881", "L-05AFA8C6"}
        seldom = {"L-DD6D028C", "L-0588D03B", "L-1F3FAE4D", "L-4B0323BD"}
        assert others | seldom <= set(values)
