"""The frozen plan: what it is made of, its hash, and its way through JSON."""

import json
import random

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from recovery.execution.state import ExecutionType, needs_signature
from recovery.plan.fields import Impact
from recovery.plan.file.reader import parse_plan
from recovery.plan.model import OnFailure, RecoveryPlan, RecoveryRules, Server, Target, Wave
from tests.recovery.plans import KNOWN_REGIONS, diamond, recovery_plans, role_arn, server_id
from tests.recovery.step_plans import plans_with_steps


@given(plans_with_steps(), st.sampled_from(["plan.json", "plan.yaml"]))
def test_a_frozen_plan_reads_back_as_itself(plan: RecoveryPlan, file: str) -> None:
    read = parse_plan(plan.model_dump_json(indent=1), file=file, regions=KNOWN_REGIONS)
    assert read.plan == plan
    assert read.plan.plan_hash == plan.plan_hash
    assert read.warnings == ()


@given(recovery_plans())
def test_json_and_yaml_of_a_plan_read_the_same(plan: RecoveryPlan) -> None:
    as_yaml = yaml.safe_dump(json.loads(plan.model_dump_json()), allow_unicode=True)
    assert parse_plan(as_yaml, file="plan.yaml", regions=KNOWN_REGIONS).plan == plan


@given(recovery_plans(), st.integers())
def test_the_hash_ignores_order_and_formatting(plan: RecoveryPlan, seed: int) -> None:
    content = json.loads(plan.model_dump_json())
    chance = random.Random(seed)
    chance.shuffle(content["Waves"])
    for wave in content["Waves"]:
        chance.shuffle(wave["Servers"])
        chance.shuffle(wave["Dependencies"])
    shuffled = parse_plan(
        json.dumps(content, indent=chance.choice([None, 4])),
        file="plan.json",
        regions=KNOWN_REGIONS,
    )
    assert shuffled.plan.plan_hash == plan.plan_hash


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("WaveName", "Database"),
        ("WaveDescription", "first"),
        ("Servers", [{"SourceServerId": server_id(9)}]),
        ("Servers", [{"SourceServerId": server_id(1), "Impact": "OPTIONAL"}]),
        (
            "Servers",
            [{"SourceServerId": server_id(1), "RecoverySnapshotId": "pit-0123456789abcdef0"}],
        ),
        ("Dependencies", [{"DependsOnWaveId": "web"}]),
        ("Region", "eu-central-1"),
        ("RoleArn", role_arn("111111111111")),
        ("AccountId", "111111111111"),
        ("TimeoutSeconds", 3601),
        ("OnFailure", "SKIP_DEPENDENTS"),
        ("Retries", 1),
        ("ApprovalRequired", True),
    ],
)
def test_the_hash_sees_every_change_of_a_wave(key: str, value: object) -> None:
    content = json.loads(diamond().model_dump_json())
    content["Waves"][0][key] = value
    assert RecoveryPlan.model_validate(content).plan_hash != diamond().plan_hash


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("PlanId", "erp"),
        ("PlanName", "ERP"),
        ("Owner", "crm-team"),
        ("RTO", 60),
        ("RPO", 15),
        ("Priority", 1),
        ("OnFailure", "STOP"),
        ("DeadlineSeconds", 7200),
        ("DecisionSeconds", 7200),
        ("Recovery", {"Approvers": 1}),
        ("Recovery", {"AuthorMayStart": False}),
    ],
)
def test_the_hash_sees_every_change_of_the_plan(key: str, value: object) -> None:
    content = json.loads(diamond().model_dump_json())
    content[key] = value
    assert RecoveryPlan.model_validate(content).plan_hash != diamond().plan_hash


def test_the_hash_is_the_same_in_every_process_and_release() -> None:
    # Recorded executions carry the hash: a change here is a change of every plan's hash.
    assert diamond().plan_hash == (
        "b9c97515f64b1a41d9c789ad5c867bdd94921e102f300418381b41ba010eda77"
    )


def test_names_default_to_ids() -> None:
    plan = diamond()
    assert plan.plan_name == "crm"
    assert plan.wave("app1").wave_name == "app1"


def test_defaults_are_those_of_the_documentation() -> None:
    wave = diamond().wave("db")
    assert wave.timeout_seconds == 3600
    assert wave.on_failure is None
    assert wave.servers[0].impact is Impact.CRITICAL
    assert diamond().deadline_seconds == 86400


def test_a_plan_knows_its_graph_servers_and_targets() -> None:
    plan = diamond()
    plan.waves[3].region = "eu-central-1"
    assert plan.graph.dependencies_of("web") == ("app1", "app2")
    assert plan.server_count == 4
    assert plan.targets == (Target(region="us-west-2"), Target(region="eu-central-1"))
    assert plan.wave("db").server_ids == (server_id(1),)
    with pytest.raises(KeyError):
        plan.wave("bd")


def test_json_is_in_pascal_case() -> None:
    dumped = json.loads(diamond().model_dump_json())
    assert {"PlanId", "RTO", "RPO", "DeadlineSeconds", "Waves"} <= dumped.keys()
    assert dumped["Waves"][1]["Dependencies"] == [{"DependsOnWaveId": "db"}]
    assert dumped["Waves"][0]["Servers"][0]["SourceServerId"] == server_id(1)


def test_python_and_wire_spelling_build_the_same() -> None:
    by_name = Server(source_server_id=server_id(1))
    assert Server.model_validate({"SourceServerId": server_id(1)}) == by_name


@pytest.mark.parametrize(
    "changed",
    [
        {"WaveId": "a b"},
        {"Region": "us-west"},
        {"RoleArn": "arn:aws:iam::1:role/x"},
        {"TimeoutSeconds": True},
        {"TimeoutSeconds": float("inf")},
        {"Retries": -1},
        {"WaveName": "\x1b[2J"},
        {"OnFailure": "HOPE"},
    ],
)
def test_the_model_itself_refuses_what_no_plan_can_mean(changed: dict[str, object]) -> None:
    wave = json.loads(diamond().wave("db").model_dump_json())
    with pytest.raises(ValidationError):
        Wave.model_validate({**wave, **changed})


def test_policies_are_plain_text_on_the_wire() -> None:
    plan = diamond().model_copy(update={"on_failure": OnFailure.ASK})
    assert json.loads(plan.model_dump_json())["OnFailure"] == "ASK"


def test_fencing_alone_needs_no_signature_and_changes_the_hash() -> None:
    fenced = diamond().model_copy(update={"recovery": RecoveryRules(fence_first=True)})
    assert not needs_signature(fenced, ExecutionType.RECOVERY)
    assert fenced.plan_hash != diamond().plan_hash
    approved = diamond().model_copy(update={"recovery": RecoveryRules(approvers=1)})
    assert needs_signature(approved, ExecutionType.RECOVERY)
    assert not needs_signature(approved, ExecutionType.DRILL)
