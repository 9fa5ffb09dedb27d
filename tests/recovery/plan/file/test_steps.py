"""Steps in plan files: read whole, or refused with the place and what to do."""

import json
from typing import Any

import pytest
import yaml

from recovery.plan.file.reader import PlanError, Problem, parse_plan
from recovery.plan.file.writer import plan_text
from recovery.plan.model import RecoveryPlan
from recovery.steps.model import StepKind, StepPhase
from tests.recovery.plans import KNOWN_REGIONS, server_id
from tests.recovery.step_plans import DB, WEB, all_kinds, plan_with_steps, step

ACTING = [kind for kind in StepKind if kind.acts]
ID = f"${{Servers.{DB}.InstanceId}}"


def read(content: Any, *, as_json: bool = False) -> RecoveryPlan:
    text = json.dumps(content, indent=1) if as_json else yaml.safe_dump(content, sort_keys=False)
    file = "plan.json" if as_json else "plan.yaml"
    return parse_plan(text, file=file, regions=KNOWN_REGIONS).plan


def problems_of(content: Any) -> tuple[Problem, ...]:
    text = content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False)
    with pytest.raises(PlanError) as caught:
        parse_plan(text, file="plan.yaml", regions=KNOWN_REGIONS)
    return caught.value.problems


def only_problem(content: Any) -> Problem:
    problems = problems_of(content)
    assert len(problems) == 1, "\n".join(map(str, problems))
    return problems[0]


@pytest.mark.parametrize("as_json", [False, True])
def test_each_kind_is_read_and_written(as_json: bool) -> None:
    plan = read(plan_with_steps(all_kinds()), as_json=as_json)
    kinds = [each.kind for _, each in plan.wave("db").all_steps]
    assert kinds == list(StepKind)
    again = parse_plan(plan_text(plan), file="plan.yaml", regions=KNOWN_REGIONS).plan
    assert again == plan
    assert again.plan_hash == plan.plan_hash


def test_steps_and_their_order_change_the_hash() -> None:
    steps = all_kinds()
    hashes = {read(plan_with_steps(each)).plan_hash for each in ([], steps, steps[::-1])}
    assert len(hashes) == 3


def test_outputs_are_paths_or_mappings() -> None:
    outputs = {"Endpoint": "Outputs.Endpoint", "Token": {"Path": "Outputs.Token", "Secret": True}}
    content = plan_with_steps([step(StepKind.SSM_AUTOMATION, "promote", Outputs=outputs)])
    found = read(content).wave("db").step("promote").outputs
    assert {name: (each.path, each.secret) for name, each in found.items()} == {
        "Endpoint": ("Outputs.Endpoint", False),
        "Token": ("Outputs.Token", True),
    }


def test_every_problem_is_reported_at_once_with_its_line_wave_and_step() -> None:
    text = f"""\
PlanId: shop
Region: us-west-2
Waves:
  - WaveId: db
    ServerIds: [{DB}]
    PostLaunchSteps:
      - StepId: reachable
        Tcp: {{Prt: 5432}}
        TimeoutSecond: 900
      - StepId: reachable
        Http:
          Url: ftp://example.com
          ExpectedStatus:
            - 99
      - When: BOTH
"""
    found = [(each.line, each.wave, each.step) for each in problems_of(text)]
    assert found == [
        (8, "db", "reachable"),
        (9, "db", "reachable"),
        (10, "db", "reachable"),
        (12, "db", "reachable"),
        (14, "db", "reachable"),
        (15, "db", "number 3"),
        (15, "db", "number 3"),
    ]


def automation(parameters: Any) -> dict[str, Any]:
    spec = {"Document": "d", "Parameters": parameters}
    return {"StepId": "a", "When": "BOTH", "SsmAutomation": spec}


def http(**keys: Any) -> dict[str, Any]:
    return {"StepId": "a", "When": "BOTH", "Http": {"Url": "https://e", **keys}}


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "key of a kind": ({"StepId": "a", "Tcp": {"Prt": 1}}, "did you mean Port?"),
    "key in the step": ({"StepId": "a", "Port": 1, "Tcp": {"Port": 1}}, "move it into Tcp"),
    "key in the kind": (
        {"StepId": "a", "Tcp": {"Port": 1, "TimeoutSeconds": 1}},
        "TimeoutSeconds belongs to a step, not to Tcp; move it beside StepId",
    ),
    "misspelled kind": ({"StepId": "a", "Tpc": {"Port": 1}}, "unknown key Tpc; did you mean Tcp?"),
    "no kind": ({"StepId": "a"}, "the step does nothing; it has one of SsmAutomation"),
    "unknown kind": (
        {"StepId": "a", "PortCheck": {"Port": 1}},
        "unknown key PortCheck; write one of SsmAutomation, SsmCommand",
    ),
    "two kinds": (
        {"StepId": "a", "Tcp": {"Port": 1}, "InstanceStatus": {}},
        "the step has InstanceStatus and Tcp; a step has one of them",
    ),
    "blank kind": ({"StepId": "a", "InstanceStatus": None}, "write InstanceStatus: {}"),
    "kind that is a text": ({"StepId": "a", "Tcp": "5432"}, "Tcp is text; write a mapping with"),
    "missing key": ({"StepId": "a", "Tcp": {}}, "Port is missing; write a whole number"),
    "missing StepId": ({"Tcp": {"Port": 1}}, "StepId is missing"),
    "text as number": ({"StepId": "a", "Tcp": {"Port": "5432"}}, "without quotes"),
    "yes as text": (
        {"StepId": "a", "When": "BOTH", "Lambda": {"FunctionName": True}},
        'quote it: FunctionName: "true"',
    ),
    "number as a parameter": (
        automation({"n": [5]}),
        "read as a number; quote it",
    ),
    "text as a list": (
        automation({"n": "5"}),
        "Parameters.n is text; write a list; each entry is text without control characters",
    ),
    "list as a mapping": (
        automation([]),
        "Parameters is a list; write a mapping of names to a list; each entry is text",
    ),
    "no values": (
        step(StepKind.ROUTE53_RECORD) | {"Route53Record": {
            "ZoneId": "Z", "Name": "n", "Type": "A", "Values": []}},
        "Values is empty",
    ),
    "control character": (
        {"StepId": "a", "When": "BOTH", "Lambda": {"FunctionName": "a\x1b[2J"}},
        "1 to 2048 characters on one line",
    ),
    "header with a line break": (
        http(Headers={"A": "b\r\nC: d"}),
        "characters on one line",
    ),
    "secret that is none": (
        http(SecretHeaders={"A": "s3"}),
        "env:NAME, secretsmanager:NAME or ssm:NAME",
    ),
    "URL with a user": (
        http(Url="https://me:secret@example.com/"),
        "without a user name",
    ),
    "account of another role": (
        step(StepKind.LAMBDA) | {
            "RoleArn": "arn:aws:iam::111111111111:role/R", "AccountId": "222222222222"},
        "AccountId 222222222222 contradicts RoleArn",
    ),
    "unknown Region": (step(StepKind.LAMBDA) | {"Region": "us-west-22"}, "no Region us-west-22"),
    "input twice": (
        {"StepId": "a", "When": "BOTH",
         "Manual": {"Instruction": "x", "Inputs": [{"Name": "n"}, {"Name": "n"}]}},
        "Inputs has n twice",
    ),
    "time-out of a manual step": (step(StepKind.MANUAL) | {"TimeoutSeconds": 5}, "DecisionSeconds"),
    "retries of a manual step": (step(StepKind.MANUAL) | {"Retries": 1}, "has no effect here"),
    "outputs of a check": (step(StepKind.TCP) | {"Outputs": {"a": "b"}}, "only looks"),
    "stop of what cannot be stopped": (
        step(StepKind.LAMBDA) | {"OnCancel": "STOP"},
        "Lambda cannot be stopped; remove OnCancel",
    ),
    "servers and a host": (
        {"StepId": "a", "When": "BOTH", "Tcp": {"Port": 1, "Host": "h", "Servers": [DB]}},
        "Servers and Host are given; keep one of them",
    ),
    "a server twice": ({"StepId": "a", "Tcp": {"Port": 1, "Servers": [DB, DB]}}, "twice"),
    "no server of the plan": (
        {"StepId": "a", "Tcp": {"Port": 1, "From": server_id(9)}},
        "is no server of this plan",
    ),
    "server of a parallel wave": (
        {"StepId": "a", "Tcp": {"Port": 1, "Servers": [WEB]}},
        f"{WEB} is of wave web, which this wave does not wait for; add it to Dependencies",
    ),
    "command on another wave's server": (
        {"StepId": "a", "When": "BOTH", "SsmCommand": {"Document": "d", "Servers": [WEB]}},
        "is no server of this wave",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("written", "words"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_a_step_is_refused_with_what_to_do(
    written: dict[str, Any], words: str
) -> None:
    assert words in only_problem(plan_with_steps([written])).message


@pytest.mark.parametrize("kind", ACTING)
def test_what_acts_needs_when(kind: StepKind) -> None:
    written = step(kind)
    del written["When"]
    assert "When is missing" in only_problem(plan_with_steps([written])).message


@pytest.mark.parametrize("kind", [StepKind.DNS, StepKind.ALARM, StepKind.TARGET_HEALTH])
def test_a_check_of_something_fixed_needs_when(kind: StepKind) -> None:
    written = step(kind)
    del written["When"]
    assert "look at production" in only_problem(plan_with_steps([written])).message


def wave_problem(**keys: Any) -> str:
    content = plan_with_steps([])
    del content["Waves"][1]["ServerIds"]
    content["Waves"][1] |= keys
    return only_problem(content).message


def test_a_wave_has_servers_or_steps_alone() -> None:
    own, after = [step(StepKind.LAMBDA)], [step(StepKind.MANUAL)]
    assert "no servers; list their IDs" in wave_problem()
    assert "no servers; list their IDs" in wave_problem(PreLaunchSteps=own)
    assert "the wave has servers and Steps" in wave_problem(ServerIds=[WEB], Steps=own)
    assert "run around a launch" in wave_problem(Steps=own, PostLaunchSteps=after)
    assert "TimeoutSeconds is about a launch" in wave_problem(Steps=own, TimeoutSeconds=60)


def test_a_wave_of_steps_alone_is_read() -> None:
    plan = read(plan_with_steps([], cutover=[step(StepKind.LAMBDA)]))
    phases = [phase for phase, _ in plan.wave("cutover").all_steps]
    assert phases == [StepPhase.ALONE]
    assert not plan.wave("cutover").servers


PROMOTE = step(StepKind.SSM_AUTOMATION, "promote", Outputs={"Endpoint": "Outputs.Endpoint"})


def with_payload(text: str, step_id: str = "use", **keys: Any) -> dict[str, Any]:
    return {
        "StepId": step_id, "When": "BOTH", **keys,
        "Lambda": {"FunctionName": "f", "Payload": {"value": [text]}},
    }  # fmt: skip


@pytest.mark.parametrize("text", ["${Steps.db.promote.Endpoint}", f"to {ID}", "$${x}", "${WaveId}"])
def test_a_reference_to_what_is_known_is_taken(text: str) -> None:
    read(plan_with_steps([PROMOTE, with_payload(text)], cutover=[with_payload(text)]))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("${Steps.db.later.Endpoint}", "does not run before this one; move it up"),
        ("${Steps.db.use.x}", "has no such output"),
        ("${Steps.db.promote.Endpont}", "has no such output for certain (it has: Endpoint)"),
        ("${Steps.db.prmote.Endpoint}", "names no step of this plan"),
        ("${Steps.other.promote.Endpoint}", "names no step of this plan"),
        (f"${{Servers.{server_id(9)}.Name}}", "is no server of this plan"),
        (f"${{Servers.{WEB}.Name}}", "which this wave does not wait for"),
        ("${Foo}", "is not a reference"),
        ("${", "has ${ without }"),
        ("${Steps.db.promote.\u202e}", "is not a reference"),
        ("${Steps." + "." * 500 + "}", "is not a reference"),
        ("${Steps." + "a." * 120 + "a}", "is not a reference"),
    ],
)
def test_a_reference_to_what_is_not_known_is_refused(text: str, words: str) -> None:
    later = step(StepKind.LAMBDA, "later", Outputs={"Endpoint": "a"})
    problem = only_problem(plan_with_steps([PROMOTE, with_payload(text), later]))
    assert words in problem.message
    assert str(problem).isprintable()


def test_a_step_before_the_launch_cannot_know_the_wave_s_own_instances() -> None:
    problem = only_problem(plan_with_steps([], before=[with_payload(ID)]))
    assert "is launched after this step; move the step to PostLaunchSteps" in problem.message
    tcp = {"StepId": "a", "Tcp": {"Port": 1}}
    assert "which are not up here" in only_problem(plan_with_steps([], before=[tcp])).message


def test_a_later_wave_knows_what_it_waits_for_and_no_other() -> None:
    content = plan_with_steps([PROMOTE], cutover=[with_payload("${Steps.db.promote.Endpoint}")])
    read(content)
    content["Waves"][-1]["Dependencies"] = [{"DependsOnWaveId": "web"}]
    assert "step promote is of wave db, which" in only_problem(content).message


def test_a_wave_that_others_wait_for_cannot_know_their_steps() -> None:
    text = "${Steps.cutover.later.Endpoint}"
    later = step(StepKind.LAMBDA, "later", Outputs={"Endpoint": "a"})
    content = plan_with_steps([with_payload(text)], cutover=[later])
    words = "step later is of wave cutover, which starts only after this wave; move the step to a"
    assert words in only_problem(content).message


@pytest.mark.parametrize(
    ("named", "own", "words"),
    [
        ("RECOVERY", "BOTH", "in a drill step promote does not run"),
        ("DRILL", "RECOVERY", "in a recovery step promote does not run"),
        ("DRILL", "DRILL", ""),
        ("BOTH", "RECOVERY", ""),
    ],
)
def test_a_reference_is_known_in_each_kind_of_execution(named: str, own: str, words: str) -> None:
    promote = PROMOTE | {"When": named}
    use = with_payload("${Steps.db.promote.Endpoint}") | {"When": own}
    content = plan_with_steps([promote, use])
    if words:
        assert words in only_problem(content).message
    else:
        read(content)


def test_a_reference_that_may_mean_two_steps_is_refused() -> None:
    first = step(StepKind.LAMBDA, "b.c", Outputs={"d": "x"})
    second = step(StepKind.LAMBDA, "c", Outputs={"d": "x"})
    content = plan_with_steps([first], cutover=[with_payload("${Steps.a.b.c.d}")])
    content["Waves"][0]["WaveId"] = "a"
    content["Waves"][1] |= {"WaveId": "a.b", "PostLaunchSteps": [second]}
    content["Waves"][2]["Dependencies"] = [{"DependsOnWaveId": i} for i in ("a", "a.b")]
    assert "it may mean step b.c of wave a and step c of wave a.b" in only_problem(content).message


def test_an_input_that_may_be_left_out_is_not_known() -> None:
    manual = step(StepKind.MANUAL, "ask")
    manual["Manual"] = {"Instruction": "x", "Inputs": [{"Name": "n", "Required": False}]}
    assert (
        "has no such output for certain"
        in only_problem(plan_with_steps([manual, with_payload("${Steps.db.ask.n}")])).message
    )
    manual["Manual"] = {"Instruction": "x", "Inputs": [{"Name": "n"}]}
    read(plan_with_steps([manual, with_payload("${Steps.db.ask.n}")]))


TEXTS: list[tuple[StepKind, dict[str, Any]]] = [
    (StepKind.HTTP, {"Url": "https://example.com/${PlanId}"}),
    (StepKind.HTTP, {"Url": "https://e", "SecretHeaders": {"A": "env:${PlanId}"}}),
    (StepKind.SSM_AUTOMATION, {"Document": "${PlanId}"}),
    (StepKind.SSM_COMMAND, {"Document": "d", "Version": "${PlanId}"}),
    (StepKind.LAMBDA, {"FunctionName": "${PlanId}"}),
    (StepKind.WORKFLOW, {"Type": "${PlanId}", "TaskQueue": "t"}),
    (StepKind.WORKFLOW, {"Type": "t", "TaskQueue": "${PlanId}"}),
    (StepKind.MANUAL, {"Instruction": "see ${PlanId}"}),
    (StepKind.HTTP_GET, {"Port": 80, "Path": "/${PlanId}"}),
    (StepKind.DNS, {"Name": "a", "Resolver": "${PlanId}"}),
    *(
        (StepKind.SSM_COMMAND, {"Document": document, "Parameters": {name: ["${PlanId}"]}})
        for document, name in [
            ("AWS-RunShellScript", "commands"),
            ("AWS-RunPowerShellScript", "commands"),
            ("AWS-RunRemoteScript", "commandLine"),
            ("arn:aws:ssm:us-west-2::document/AWS-RunShellScript", "workingDirectory"),
            ("Own-Document", "Commands"),
        ]
    ),
]


@pytest.mark.parametrize(("kind", "spec"), TEXTS)
def test_no_value_becomes_text_that_is_read_as_something_else(
    kind: StepKind, spec: dict[str, Any]
) -> None:
    problem = only_problem(plan_with_steps([step(kind) | {kind.value: spec}]))
    assert "would become text that is read as something else" in problem.message


def test_a_name_cannot_have_a_reference() -> None:
    written = step(StepKind.LAMBDA) | {"Lambda": {"FunctionName": "f", "Payload": {"${WaveId}": 1}}}
    assert "a name cannot have a reference" in only_problem(plan_with_steps([written])).message


def test_fence_first_needs_a_step_that_acts_at_the_beginning_of_each_first_wave() -> None:
    fence = step(StepKind.MANUAL, "fence", When="RECOVERY")
    content = plan_with_steps([], before=[fence]) | {"Recovery": {"FenceFirst": True}}
    assert "the plan has FenceFirst" in only_problem(content).message
    content["Waves"][1]["Dependencies"] = [{"DependsOnWaveId": "db"}]
    assert read(content).recovery.fence_first
    for other in ({"When": "DRILL"}, {"Impact": "OPTIONAL"}):
        content["Waves"][0]["PreLaunchSteps"] = [fence | other]
        assert "the plan has FenceFirst" in only_problem(content).message
    content["Waves"][0]["PreLaunchSteps"] = [step(StepKind.ALARM, When="RECOVERY"), fence]
    assert "the plan has FenceFirst" in only_problem(content).message


def test_a_role_says_the_account_of_its_step() -> None:
    content = plan_with_steps(
        [step(StepKind.LAMBDA, "a", RoleArn="arn:aws:iam::111111111111:role/R")]
    )
    assert read(content).wave("db").step("a").account_id == "111111111111"


def test_more_steps_than_a_list_or_history_takes_are_refused() -> None:
    many = [step(StepKind.TCP, f"s{n}") for n in range(51)]
    assert "51 steps; split the wave, at most 50" in only_problem(plan_with_steps(many)).message
    retried = [each | {"Retries": 20} for each in many[:50]]
    assert "more than Temporal's history" in only_problem(plan_with_steps(retried)).message


def test_a_thousand_waves_of_a_hundred_steps_are_refused_at_once() -> None:
    lists = "{PreLaunchSteps: &s [" + "{StepId: a}," * 50 + "], PostLaunchSteps: *s"
    first = f"PlanId: p\nRegion: us-west-2\nWaves:\n- &w {lists}, WaveId: w1, ServerIds: [s]}}\n"
    waves = "\n".join(f"- {{<<: *w, WaveId: w{n}}}" for n in range(2, 1001))
    assert any("100,000 steps are more" in each.message for each in problems_of(first + waves))


def test_a_step_full_of_problems_shows_the_first_ones() -> None:
    spec = {"FunctionName": "f", "Payload": {"a": ["${Steps.db.no.x}"] * 500}}
    found = problems_of(plan_with_steps([{"StepId": "a", "When": "BOTH", "Lambda": spec}] * 2))
    assert len(found) == 21
    assert found[-1].message == "more problems; correct the others first"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 60 + "]" * 60, "values are nested more than 50 deep"),
        ("9" * 5000, "has a number of 5,000 characters; quote it"),
        ("1.0e+999", "is more than a number can be; quote it"),
        ("0x10", "is read as 16; write 16"),
        (".inf", "is read as inf"),
        ("2024-01-01", "is read as a date; quote it"),
        ("{a: 1, a: 2}", "key a is given twice"),
    ],
)
def test_json_of_a_step_is_what_every_reader_would_read(text: str, words: str) -> None:
    found = problems_of(
        "PlanId: p\nRegion: us-west-2\nWaves:\n- WaveId: w\n  Steps:\n  - StepId: s\n"
        f"    When: BOTH\n    Lambda: {{FunctionName: f, Payload: {{v: {text}}}}}\n"
    )
    assert words in found[0].message


@pytest.mark.parametrize("text", ["\ud800", "\x00", "\x7f", "\x1b[2J"])
def test_text_that_nobody_can_read_is_refused_in_json(text: str) -> None:
    content = plan_with_steps([with_payload(text)])
    with pytest.raises(PlanError, match="control characters, or half a character"):
        read(content, as_json=True)


def test_an_aliased_step_is_read_as_if_it_were_written_again() -> None:
    text = f"""\
PlanId: p
Region: us-west-2
Waves:
- WaveId: db
  ServerIds: [{DB}]
  PostLaunchSteps:
  - &up {{StepId: up, Tcp: &tcp {{Port: 22}}}}
  - {{<<: *up, StepId: again}}
  - {{StepId: other, Tcp: {{<<: *tcp, Port: 23}}}}
"""
    plan = parse_plan(text, file="plan.yaml", regions=KNOWN_REGIONS).plan
    ports = [step.tcp.port for _, step in plan.wave("db").all_steps if step.tcp]
    assert ports == [22, 22, 23]
