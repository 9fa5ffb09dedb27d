"""Routing controls of Application Recovery Controller."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from tests.sandbox.local_aws import SESSION, LocalAws, error_of

PANEL = (
    "arn:aws:route53-recovery-control::123456789012:controlpanel/0123456789abcdef0123456789abcdef"
)
EAST, WEST = (f"{PANEL}/routingcontrol/{number:016x}" for number in (1, 2))
SCENARIO = f"""
RoutingControls:
  - {{RoutingControlArn: '{EAST}', Name: east, State: On}}
  - {{RoutingControlArn: '{WEST}', Name: west, State: Off}}
SafetyRules:
  - {{Name: one-side-on, RoutingControlArns: ['{EAST}', '{WEST}'], AtLeast: 1}}
"""
KEYS = {"aws_access_key_id": "123456789012", "aws_secret_access_key": "any"}


def endpoints(aws: LocalAws) -> list[Any]:
    """Return the endpoints of the cluster of a routing control, as a client finds them."""
    config = aws.client("route53-recovery-control-config")
    control = config.describe_routing_control(RoutingControlArn=EAST)["RoutingControl"]
    panel = config.describe_control_panel(ControlPanelArn=control["ControlPanelArn"])
    arn = panel["ControlPanel"]["ClusterArn"]
    return list(config.describe_cluster(ClusterArn=arn)["Cluster"]["ClusterEndpoints"])


def cluster(endpoint: Any, region: str = "", **credentials: str) -> Any:
    """Return a client of an endpoint."""
    keys: Any = {"endpoint_url": endpoint["Endpoint"], **(credentials or KEYS)}
    return SESSION.client(
        "route53-recovery-cluster", region_name=region or endpoint["Region"], **keys
    )


def states(client: Any) -> dict[str, str]:
    """Return the state of each routing control by its name."""
    listed = client.list_routing_controls(ControlPanelArn=PANEL)["RoutingControls"]
    return {each["RoutingControlName"]: each["RoutingControlState"] for each in listed}


def entries(**wanted: str) -> list[dict[str, str]]:
    """Return the entries of UpdateRoutingControlStates."""
    arns = {"east": EAST, "west": WEST}
    return [
        {"RoutingControlArn": arns[name], "RoutingControlState": state}
        for name, state in wanted.items()
    ]


def test_a_change_at_one_endpoint_is_seen_at_all_five_and_is_an_effect() -> None:
    with LocalAws(SCENARIO) as aws:
        clients = [cluster(each) for each in endpoints(aws)]
        assert len(clients) == 5
        clients[3].update_routing_control_states(
            UpdateRoutingControlStateEntries=entries(east="Off", west="On")
        )
        assert all(states(each) == {"east": "Off", "west": "On"} for each in clients)
        clients[0].update_routing_control_state(RoutingControlArn=EAST, RoutingControlState="On")
        state = clients[4].get_routing_control_state(RoutingControlArn=EAST)
        assert (state["RoutingControlName"], state["RoutingControlState"]) == ("east", "On")
        done = [
            (each["Kind"].partition(".")[2], each["Details"]["RoutingControlState"])
            for each in aws.control("GET", "effects")[1]["Effects"]
        ]
        assert done == [
            ("UpdateRoutingControlStates", "Off"),
            ("UpdateRoutingControlStates", "On"),
            ("UpdateRoutingControlState", "On"),
        ]


def test_a_safety_rule_refuses_a_change_unless_it_is_overridden() -> None:
    with LocalAws(SCENARIO) as aws:
        client = cluster(endpoints(aws)[0])
        with pytest.raises(ClientError, match="one-side-on") as refusal:
            client.update_routing_control_states(
                UpdateRoutingControlStateEntries=entries(west="Off", east="Off")
            )
        error = error_of(refusal.value)
        assert (error["error"], error["resourceType"]) == ("ConflictException", "SafetyRule")
        assert states(client) == {"east": "On", "west": "Off"}
        assert aws.control("GET", "effects")[1]["Effects"] == []
        client.update_routing_control_state(
            RoutingControlArn=EAST,
            RoutingControlState="Off",
            SafetyRulesToOverride=[error["resourceId"]],
        )
        assert states(client) == {"east": "Off", "west": "Off"}


def test_a_state_that_does_not_exist_is_refused() -> None:
    with LocalAws(SCENARIO) as aws:
        client = cluster(endpoints(aws)[0])
        with pytest.raises(ClientError) as refusal:
            client.update_routing_control_state(RoutingControlArn=WEST, RoutingControlState="on")
        assert error_of(refusal.value)["error"] == "ValidationException"
        assert states(client)["west"] == "Off"


def test_an_endpoint_that_is_down_leaves_the_others() -> None:
    of_cluster = "Service: route53-recovery-cluster, Operation"
    unavailable = "Error: EndpointTemporarilyUnavailableException"
    lost = "Effect: answer-lost, Times: 1"
    faults = f"""
Faults:
  - {{{of_cluster}: '*', Region: us-east-1, Effect: drop}}
  - {{{of_cluster}: '*', Region: us-west-2, {unavailable}}}
  - {{{of_cluster}: UpdateRoutingControlState, Region: eu-west-1, {lost}}}
"""
    with LocalAws(SCENARIO + faults) as aws:
        first, second, third, *_ = map(cluster, endpoints(aws))
        with pytest.raises(ConnectionClosedError):
            states(first)
        with pytest.raises(ClientError) as refusal:
            states(second)
        assert error_of(refusal.value)["error"] == "EndpointTemporarilyUnavailableException"
        # botocore asks again.
        third.update_routing_control_state(RoutingControlArn=WEST, RoutingControlState="On")
        assert states(third)["west"] == "On"
        assert len(aws.control("GET", "effects")[1]["Effects"]) == 2


def test_a_request_that_is_signed_for_another_region_is_refused() -> None:
    with LocalAws(SCENARIO) as aws:
        for client in (
            cluster(endpoints(aws)[0], "eu-west-1"),
            aws.client("route53-recovery-cluster"),
        ):
            with pytest.raises(ClientError) as refusal:
                states(client)
            assert error_of(refusal.value)["error"] == "AccessDeniedException"
        with pytest.raises(ClientError):
            aws.client("route53-recovery-control-config", "eu-west-1").list_clusters()


def test_another_account_has_neither_the_cluster_nor_its_routing_controls() -> None:
    other = {"aws_access_key_id": "210987654321", "aws_secret_access_key": "any"}
    with LocalAws(SCENARIO) as aws:
        config = aws.client("route53-recovery-control-config", **other)
        assert config.list_clusters()["Clusters"] == []
        with pytest.raises(ClientError) as refusal:
            cluster(endpoints(aws)[0], **other).get_routing_control_state(RoutingControlArn=EAST)
        assert error_of(refusal.value)["status"] in (400, 404)
