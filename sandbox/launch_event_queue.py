"""The queue of DRS's launch results in a local AWS, as docs/operating.md sets it up in AWS."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import boto3

NAME = "drs-waves-launch-results"
_PATTERN = {"source": ["aws.drs"], "detail-type": ["DRS Source Server Launch Result"]}


def make_launch_event_queues(
    endpoint: str, regions: Iterable[str], *, access_key: str
) -> list[str]:
    """Make a queue and a rule of EventBridge in each Region of the account of a key.

    Returns:
        The URLs of the queues, each followed by `#` and its Region.
    """

    def client(service: Any, region: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=endpoint,
            region_name=region,
            aws_access_key_id=access_key,
            aws_secret_access_key="sandbox",
        )

    urls = []
    for region in regions:
        queues, events = client("sqs", region), client("events", region)
        url = queues.create_queue(QueueName=NAME)["QueueUrl"]
        asked = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        events.put_rule(Name=NAME, EventPattern=json.dumps(_PATTERN))
        target = {"Id": "queue", "Arn": asked["Attributes"]["QueueArn"]}
        events.put_targets(Rule=NAME, Targets=[target])
        # Another endpoint than AWS's does not name its Region.
        urls.append(f"{url}#{region}")
    return urls
