"""Links to the console, in each partition."""

import pytest

from aws.console import console_link


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-central-1", "eu-central-1.console.aws.amazon.com"),
        ("cn-north-1", "cn-north-1.console.amazonaws.cn"),
        ("us-gov-west-1", "us-gov-west-1.console.amazonaws-us-gov.com"),
    ],
)
def test_a_link_leads_to_the_console_of_the_partition(region: str, host: str) -> None:
    assert (
        console_link(region, "lambda/home", "a") == f"https://{host}/lambda/home/a?region={region}"
    )


def test_a_name_stays_one_part_of_the_link() -> None:
    link = console_link("us-west-2", "lambda/home", 'a/../b?c="d"', fragment="/functions")
    assert link.endswith("?region=us-west-2#/functions/a%2F..%2Fb%3Fc%3D%22d%22")
