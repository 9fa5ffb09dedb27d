"""Regions of every partition in host names: point 13 of issue 14."""

import pytest

from aws.regions import region_in


@pytest.mark.xfail(strict=True, reason="issue 14, point 13: Regions have two letters before the -")
@pytest.mark.parametrize(
    "address", ["temporal.eusc-de-east-1.example.com:7233", "EUSC-DE-EAST-1.tmprl.cloud:7233"]
)
def test_a_region_of_the_european_sovereign_cloud_is_found_in_an_address(address: str) -> None:
    assert region_in(address) == "eusc-de-east-1"
