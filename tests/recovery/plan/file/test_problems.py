"""Plan files that are refused: each with its line, its wave, its value and what to do."""

import json

import pytest

from recovery.plan.file.keys import LEVELS
from recovery.plan.file.reader import PlanError, Problem, parse_plan
from tests.recovery.plans import KNOWN_REGIONS, server_id

S1, S2, S3 = server_id(1), server_id(2), server_id(3)

# Lines 1 to 5; the second wave begins in line 6, so that further keys of it are in line 8.
HEAD = f"""\
PlanId: crm
Region: us-west-2
Waves:
  - WaveId: db
    ServerIds: [{S1}]
"""
APP = f"""\
  - WaveId: app
    ServerIds: [{S2}]
"""


def problems_of(text: str, file: str = "crm.yaml") -> tuple[Problem, ...]:
    with pytest.raises(PlanError) as caught:
        parse_plan(text, file=file, regions=KNOWN_REGIONS)
    return caught.value.problems


def only_problem_of(text: str) -> Problem:
    problems = problems_of(text)
    assert len(problems) == 1, "\n".join(map(str, problems))
    return problems[0]


ROLE = "arn:aws:iam::111111111111:role/Recovery"

# What is written; the value that the problem shows; words of its message.
PLAN_MISTAKES = {
    "unknown key": ("PlanNam: CRM", "PlanNam", "did you mean PlanName?"),
    "key of another style": ("plan_name: CRM", "plan_name", "did you mean PlanName?"),
    "key nothing resembles": ("Zzz: 1", "Zzz", "unknown key Zzz; remove it"),
    "repeated key": ("PlanId: erp", "PlanId", "given twice, first in line 1"),
    "number as text": ('RTO: "60"', "60", "without quotes"),
    "boolean as number": ("RTO: yes", "yes", "whole number of minutes"),
    "fraction of a minute": ("RPO: 1.5", "1.5", "whole number of minutes"),
    "zero minutes": ("RPO: 0", "0", "1 or more"),
    "endless deadline": ("DeadlineSeconds: .inf", ".inf", "at most 604800"),
    "deadline of eight days": ("DeadlineSeconds: 691200", "691200", "at most 604800"),
    "huge number": ("DeadlineSeconds: 1" + "0" * 60, "1" + "0" * 60, "at most 604800"),
    "number to base 60": ("DeadlineSeconds: 1:30", "1:30", "in digits"),
    "unquoted number": ("PlanName: 42", "42", 'quote it: PlanName: "42"'),
    "unquoted date": ("PlanName: 2024-01-01", "2024-01-01", "read as a date; quote it"),
    "unquoted yes": ("Owner: yes", "yes", 'quote it: Owner: "yes"'),
    "unquoted account": ("AccountId: 111111111111", "111111111111", "quote it"),
    "unquoted octal account": ("AccountId: 011111111111", "011111111111", 'it: AccountId: "011'),
    "short account": ('AccountId: "1111"', "1111", "12 digits"),
    "malformed role": ("RoleArn: arn:aws:iam::1:role/x", "arn:aws:iam::1:role/x", "ARN of an IAM"),
    "list for text": ("Owner: [a]", None, "Owner is a list"),
    "control characters": (r'PlanName: "a\e[2J"', "a\x1b[2J", r"a\x1b[2J"),
    "unknown policy": ("OnFailure: HOPE", "HOPE", "one of SKIP_DEPENDENTS, ASK"),
    "priority out of range": ("Priority: 6", "6", "from 1 to 5"),
    "rules as a number": ("Recovery: 2", "2", "write a mapping with Approvers"),
    "unknown rule": ("Recovery: {Aprovers: 2}", "Aprovers", "did you mean Approvers?"),
    "too many approvers": ("Recovery: {Approvers: 6}", "6", "from 0 to 5"),
    "rule in the plan": ("Approvers: 2", "Approvers", "belongs to Recovery, not to the plan"),
    "priority as text": ("Priority: high", "high", "from 1 to 5"),
}


@pytest.mark.parametrize("mistake", PLAN_MISTAKES)
def test_a_mistake_of_the_plan_is_reported_with_line_and_value(mistake: str) -> None:
    line, value, words = PLAN_MISTAKES[mistake]
    problem = only_problem_of(f"{HEAD}{line}\n")
    assert (problem.file, problem.line, problem.wave) == ("crm.yaml", 6, None)
    assert problem.value == value
    assert words in problem.message


WAVE_MISTAKES = {
    "unknown key": ("Dependancies: []", "Dependancies", "did you mean Dependencies?"),
    "repeated key": ("WaveId: web", "WaveId", "given twice, first in line 6"),
    "unknown dependency": (
        "Dependencies: [{DependsOnWaveId: dbx}]",
        "dbx",
        "no WaveId of this plan; did you mean db?",
    ),
    "self-dependency": ("Dependencies: [{DependsOnWaveId: app}]", "app", "depends on itself"),
    "bare dependency": ("Dependencies: [db]", "db", 'write "- DependsOnWaveId: db"'),
    "dependency outside a list": ("Dependencies: db", "db", 'list of "- DependsOnWaveId:'),
    "mapping outside a list": ("Dependencies: {DependsOnWaveId: db}", None, "is a mapping"),
    "dependency without a name": ("Dependencies: [{}]", None, "DependsOnWaveId is missing"),
    "dependency with an unknown key": (
        "Dependencies: [{DependsOnWave: db}]",
        "DependsOnWave",
        "did you mean DependsOnWaveId?",
    ),
    "place out of range": ("Dependencies: [{DependsOnWaveId: x-3}]", "x-3", "wave number 3"),
    "place zero": ("Dependencies: [{DependsOnWaveId: x-0}]", "x-0", "wave number 0"),
    "place is the wave itself": ("Dependencies: [{DependsOnWaveId: x-2}]", "x-2", "on itself"),
    "malformed Region": ("Region: us-west", "us-west", "such as us-west-2"),
    "endless timeout": ("TimeoutSeconds: .inf", ".inf", "at most 604800"),
    "timeout not a number": ("TimeoutSeconds: .nan", ".nan", "above 0"),
    "no time at all": ("TimeoutSeconds: 0", "0", "above 0"),
    "negative time": ("TimeoutSeconds: -5", "-5", "above 0"),
    "timeout true": ("TimeoutSeconds: true", "true", "number of seconds"),
    "negative retries": ("Retries: -1", "-1", "from 0 to 100"),
    "approval as text": ('ApprovalRequired: "no"', "no", "true or false, without quotes"),
    "account against role": (
        f'RoleArn: {ROLE}\n    AccountId: "222222222222"',
        "222222222222",
        "contradicts RoleArn, which acts in 111111111111",
    ),
}


@pytest.mark.parametrize("mistake", WAVE_MISTAKES)
def test_a_mistake_of_a_wave_is_reported_with_line_wave_and_value(mistake: str) -> None:
    lines, value, words = WAVE_MISTAKES[mistake]
    problem = only_problem_of(f"{HEAD}{APP}    {lines}\n")
    assert (problem.file, problem.line) == ("crm.yaml", 8 + lines.count("\n"))
    assert problem.wave == "app"
    assert problem.value == value
    assert words in problem.message


SERVER_MISTAKES = {
    "malformed ID": ("ServerIds: [s-123]", "s-123", "17 of the characters"),
    "capital ID": (f"ServerIds: [{S2.upper()}]", S2.upper(), "17 of the characters"),
    "ID with a line break": (f'ServerIds: ["{S2}\\n"]', f"{S2}\n", r"\n"),
    "number as ID": ("ServerIds: [7]", "7", "17 of the characters"),
    "no servers": ("ServerIds: []", None, "no servers; list their IDs under ServerIds"),
    "blank servers": ("ServerIds:", None, "no servers"),
    "left out": ("WaveName: App", None, "no servers"),
    "no server objects": ("Servers: []", None, "no servers"),
    "blank entry": ("ServerIds: [~]", None, "is nothing"),
    "outside a list": (f"ServerIds: {S2}", S2, "ServerIds is text; write a list"),
    "twice in the wave": (f"ServerIds: [{S2}, {S2}]", S2, "listed twice, first in line 7"),
    "in two waves": (f"ServerIds: [{S1}]", S1, "already in wave db, line 5"),
    "bare ID for an object": (f"Servers: [{S2}]", S2, f"- SourceServerId: {S2}"),
    "object for a bare ID": (
        f"ServerIds: [{{SourceServerId: {S2}}}]",
        None,
        "list mappings under Servers",
    ),
    "object without an ID": ("Servers: [{Impact: OPTIONAL}]", None, "SourceServerId is missing"),
    "unknown impact": (
        f"Servers: [{{SourceServerId: {S2}, Impact: LOW}}]",
        "LOW",
        "one of CRITICAL, OPTIONAL",
    ),
    "malformed snapshot": (
        f"Servers: [{{SourceServerId: {S2}, RecoverySnapshotId: snap-1}}]",
        "snap-1",
        '"pit-" and 17',
    ),
    "unknown key of an object": (
        f"Servers: [{{SourceServerId: {S2}, Inpact: OPTIONAL}}]",
        "Inpact",
        "did you mean Impact?",
    ),
}


@pytest.mark.parametrize("mistake", SERVER_MISTAKES)
def test_a_mistake_of_a_server_is_reported_with_line_wave_and_value(mistake: str) -> None:
    line, value, words = SERVER_MISTAKES[mistake]
    problem = only_problem_of(f"{HEAD}  - WaveId: app\n    {line}\n")
    # A missing key is reported at the first line of the wave.
    assert problem.line == (6 if mistake == "left out" else 7)
    assert problem.wave == "app"
    assert problem.value == value
    assert words in problem.message


WAVE_ID_MISTAKES = {
    "number": ("1", "1", "1", 'quote it: WaveId: "1"'),
    "date": ("2024-01-01", "2024-01-01", "2024-01-01", "quote it"),
    "space": ("my app", "my app", "my app", "1 to 64 letters"),
    "too long": ("a" * 65, "a" * 65, "a" * 65, "1 to 64 letters"),
    "empty": ('""', None, "number 2", "1 to 64 letters"),
    "blank": ("", None, "number 2", "WaveId is missing"),
    "list": ("[a]", None, "number 2", "WaveId is a list"),
    "repeated": ("db", "db", "db", "already used in line 4"),
}


@pytest.mark.parametrize("mistake", WAVE_ID_MISTAKES)
def test_an_invalid_wave_id_is_reported(mistake: str) -> None:
    written, value, wave, words = WAVE_ID_MISTAKES[mistake]
    problem = only_problem_of(f"{HEAD}  - WaveId: {written}\n    ServerIds: [{S2}]\n")
    assert (problem.line, problem.wave, problem.value) == (6, wave, value)
    assert words in problem.message


@pytest.mark.parametrize("indent", [None, 1])
def test_a_json_plan_has_the_same_problems_on_one_line_as_on_many(indent: int | None) -> None:
    waves = [
        {"WaveId": "db", "ServerIds": [S1, S1], "Dependencies": [{"DependsOnWaveId": "app"}]},
        {"WaveId": "app", "ServerIds": [S1], "Dependencies": [{"DependsOnWaveId": "db"}]},
        {"WaveId": "db", "ServerIds": [S2]},
    ]
    plan = {"PlanId": "crm", "Region": "us-west-2", "Waves": waves}
    found = problems_of(json.dumps(plan, indent=indent), "crm.json")
    assert {(each.wave, each.value) for each in found} == {
        ("db", "db"),
        ("db", S1),
        ("app", S1),
        ("db", "db → app → db"),
    }


PLANS_WITHOUT_WAVES = {
    "left out": ("PlanId: crm\nRegion: us-west-2\n", 1),
    "blank": ("PlanId: crm\nWaves:\n", 2),
    "empty": ("PlanId: crm\nWaves: []\n", 2),
    "mapping": ("PlanId: crm\nWaves: {WaveId: db}\n", 2),
    "text": ("PlanId: crm\nWaves: db\n", 2),
}


@pytest.mark.parametrize("mistake", PLANS_WITHOUT_WAVES)
def test_a_plan_without_a_list_of_waves_is_refused(mistake: str) -> None:
    text, line = PLANS_WITHOUT_WAVES[mistake]
    problem = only_problem_of(text)
    assert problem.line == line
    assert "waves" in problem.message.lower()


def test_a_wave_that_is_no_mapping_is_reported_by_its_number() -> None:
    problem = only_problem_of(f"{HEAD}  - {S2}\n")
    assert (problem.line, problem.wave, problem.value) == (6, "number 2", S2)


def test_both_servers_and_server_ids_are_refused() -> None:
    problem = only_problem_of(f"{HEAD}{APP}    Servers: [{{SourceServerId: {S3}}}]\n")
    assert (problem.line, problem.wave) == (7, "app")
    assert "both Servers and ServerIds" in problem.message


def test_two_spellings_of_approval_that_differ_are_refused() -> None:
    text = f"{HEAD}{APP}    ApprovalRequired: false\n    PauseBeforeWave: true\n"
    assert "PauseBeforeWave and ApprovalRequired" in problems_of(text)[-1].message


def test_a_cycle_is_reported_once_and_names_its_waves() -> None:
    problem = only_problem_of(
        f"""\
PlanId: crm
Region: us-west-2
Waves:
  - WaveId: db
    ServerIds: [{S1}]
    Dependencies:
      - DependsOnWaveId: web
  - WaveId: app
    ServerIds: [{S2}]
    Dependencies:
      - DependsOnWaveId: db
  - WaveId: web
    ServerIds: [{S3}]
    Dependencies:
      - DependsOnWaveId: app
"""
    )
    assert (problem.line, problem.wave) == (7, "db")
    assert "db → web → app → db" in problem.message


def test_a_missing_region_is_reported_once_if_no_wave_has_one() -> None:
    problem = only_problem_of((HEAD + APP).replace("Region: us-west-2\n", ""))
    assert (problem.line, problem.wave) == (1, None)
    assert "Region is missing" in problem.message


def test_a_missing_region_is_reported_for_the_wave_if_others_have_one() -> None:
    text = (HEAD + APP).replace("Region: us-west-2\n", "") + "    Region: us-east-1\n"
    problem = only_problem_of(text)
    assert (problem.line, problem.wave) == (3, "db")


def test_too_many_waves_are_refused() -> None:
    waves = "".join(f"  - {{WaveId: w{n}, ServerIds: [{server_id(n)}]}}\n" for n in range(1001))
    problem = only_problem_of(f"PlanId: p\nRegion: us-west-2\nWaves:\n{waves}")
    assert (problem.line, problem.value) == (3, "1001")
    assert "1,001 waves; split it, at most 1,000 a plan" in problem.message


def test_too_many_servers_of_a_wave_are_refused() -> None:
    servers = ", ".join(server_id(n) for n in range(10, 511))
    problem = only_problem_of(f"{HEAD}  - WaveId: app\n    ServerIds: [{servers}]\n")
    assert (problem.line, problem.wave, problem.value) == (7, "app", "501")


def test_too_many_servers_of_a_plan_are_refused() -> None:
    waves = ""
    for number, count in enumerate([500] * 8 + [1]):
        servers = ", ".join(server_id(500 * number + each) for each in range(count))
        waves += f"  - WaveId: w{number}\n    ServerIds: [{servers}]\n"
    problem = only_problem_of(f"PlanId: p\nRegion: us-west-2\nWaves:\n{waves}")
    assert (problem.line, problem.wave, problem.value) == (3, None, "4001")


TEN_MISTAKES = f"""\
PlanId: crm
PlanNam: CRM
Region: us-west
RTO: yes
Waves:
  - WaveId: db
    ServerIds: [{S1}, s-000000000000000zz]
    Dependencies:
      - DependsOnWaveId: web
  - WaveId: app
    ServerIds: [{S1}]
    Dependencies:
      - DependsOnWaveId: dbx
      - DependsOnWaveId: app
  - WaveId: web
    ServerIds: []
    Dependencies:
      - DependsOnWaveId: db
  - WaveId: db
    ServerIds: [{S2}]
"""


def test_ten_mistakes_in_one_file_are_all_listed() -> None:
    problems = [
        (problem.line, problem.wave, problem.value) for problem in problems_of(TEN_MISTAKES)
    ]
    assert problems == [
        (2, None, "PlanNam"),
        (3, None, "us-west"),
        (4, None, "yes"),
        (7, "db", "s-000000000000000zz"),
        (9, "db", "db → web → db"),
        (11, "app", S1),
        (13, "app", "dbx"),
        (14, "app", "app"),
        (16, "web", None),
        (19, "db", "db"),
    ]


def test_a_problem_reads_like_a_compiler_message() -> None:
    assert str(problems_of(TEN_MISTAKES)[6]) == (
        'crm.yaml:13: wave app: DependsOnWaveId "dbx" is no WaveId of this plan; did you mean db?'
    )
    with pytest.raises(PlanError, match=r"crm.yaml:2: unknown key PlanNam; did you mean PlanName"):
        parse_plan(TEN_MISTAKES, file="crm.yaml", regions=KNOWN_REGIONS)


def test_a_misspelled_key_brings_no_second_problem() -> None:
    text = f"PlanId: crm\nRegion: us-west-2\nWaves:\n  - WaveID: db\n    serverids: [{S1}]\n{APP}"
    problems = problems_of(f"{text}    Dependencies: [{{DependsOnWaveId: db}}]\n")
    assert [(each.line, each.wave, each.value) for each in problems] == [
        (4, "db", "WaveID"),
        (5, "db", "serverids"),
    ]


def test_a_malformed_wave_id_does_not_make_its_dependents_wrong() -> None:
    text = (HEAD + APP).replace("WaveId: db", "WaveId: my db")
    problem = only_problem_of(f"{text}    Dependencies: [{{DependsOnWaveId: my db}}]\n")
    assert (problem.line, problem.value) == (4, "my db")


def test_every_key_of_a_single_value_says_what_to_write() -> None:
    for level in LEVELS:
        single = [key for key in level.keys.values() if key.type not in ("array", "object")]
        assert all(key.expected for key in single)


@pytest.mark.parametrize(
    ("written", "looks_like"),
    [
        ("TimeoutSeconds: 0600", "600"),
        ("TimeoutSeconds: 0_600", "600"),
        ("TimeoutSeconds: +0600", "600"),
        ("TimeoutSeconds: 0x258", "600"),
        ("TimeoutSeconds: 0b1001011000", "600"),
        ("TimeoutSeconds: 0o600", "384"),
        ("TimeoutSeconds: 08", "8"),
        ("TimeoutSeconds: 1_000", "1000"),
        ("TimeoutSeconds: +600", "600"),
        ("TimeoutSeconds: 600.", "600"),
        ("TimeoutSeconds: .5", "0.5"),
        ("TimeoutSeconds: 6_0.5", "60.5"),
        ("TimeoutSeconds: 1e3", "1000"),
        ("TimeoutSeconds: \uff16\uff10\uff10", "600"),
        ("Retries: 010", "10"),
    ],
)
def test_a_number_that_is_not_what_it_looks_like_is_refused_with_what_to_write(
    written: str, looks_like: str
) -> None:
    (problem,) = problems_of(f"{HEAD}    {written}\n")
    assert problem.line == 6
    assert problem.value == written.partition(": ")[2]
    assert problem.message.endswith((f"write {looks_like}", f"in digits: {looks_like}"))


@pytest.mark.parametrize("key", ["RTO", "RPO", "DeadlineSeconds"])
def test_a_number_of_the_plan_is_not_read_as_octal_either(key: str) -> None:
    (problem,) = problems_of(f"{key}: 0600\n{HEAD}")
    assert problem.line == 1
    assert problem.message == f"{key} 0600 is read as 384; write 600"


# Characters that nobody sees.
INVISIBLE = {
    "U+00A0": "\u00a0",
    "U+200B": "\u200b",
    "U+2060": "\u2060",
    "U+FEFF": "\ufeff",
    "U+3000": "\u3000",
    "U+00AD": "\u00ad",
}


@pytest.mark.parametrize("name", INVISIBLE)
def test_an_invisible_character_in_the_indentation_is_named(name: str) -> None:
    (problem, *_) = problems_of(f"{HEAD}   {INVISIBLE[name]}TimeoutSeconds: 60\n")
    assert problem.line == 6
    assert name in problem.message


@pytest.mark.parametrize("name", INVISIBLE)
def test_an_invisible_character_in_a_key_is_named(name: str) -> None:
    (problem, *_) = problems_of(f"{HEAD}    Timeout{INVISIBLE[name]}Seconds: 60\n")
    assert problem.line == 6
    assert name in problem.message


def test_an_invisible_character_in_a_key_of_json_is_named() -> None:
    text = '{"PlanId": "crm",\n "Region\u200b": "us-west-2",\n "Waves": []}'
    with pytest.raises(PlanError) as caught:
        parse_plan(text, file="crm.json", regions=KNOWN_REGIONS)
    (named,) = [each for each in caught.value.problems if "U+200B" in each.message]
    assert named.line == 2


@pytest.mark.parametrize(
    "written",
    [
        "  TimeoutSeconds:\u00a060\n",
        "  Dependencies:\n     -\u00a0DependsOnWaveId: a\n",
        "  Dependencies:\n     -\u00a0a\n",
        "\u00a0 TimeoutSeconds: 60\n",
        "  WaveDescription: Reprise\u00a0: base\n",
    ],
)
def test_a_no_break_space_where_a_space_belongs_is_named(written: str) -> None:
    problems = problems_of(f"{HEAD}  {written}")
    assert "U+00A0 NO-BREAK SPACE" in problems[0].message


def test_a_no_break_space_in_the_indentation_of_json_is_named() -> None:
    with pytest.raises(PlanError) as caught:
        parse_plan(
            '{"PlanId": "crm",\n \u00a0"Region": "us-west-2"}',
            file="crm.json",
            regions=KNOWN_REGIONS,
        )
    (problem,) = caught.value.problems
    assert problem.line == 2
    assert "line 2 has U+00A0 NO-BREAK SPACE" in problem.message


def test_a_letter_of_another_alphabet_in_a_key_is_named() -> None:
    (problem,) = problems_of(HEAD.replace("Region", "Regi\u043en"))
    assert "U+043E CYRILLIC SMALL LETTER O; did you mean Region?" in problem.message


def test_texts_may_have_invisible_characters() -> None:
    text = f"{HEAD}    WaveDescription: |\n      \u3000\u672c\u6587\n      Reprise\u00a0: base\n"
    plan = parse_plan(text, file="crm.yaml", regions=KNOWN_REGIONS).plan
    assert plan.waves[0].wave_description == "\u3000\u672c\u6587\nReprise\u00a0: base\n"


def test_a_mistake_below_an_invisible_character_of_a_text_is_not_blamed_on_it() -> None:
    text = HEAD.replace("PlanId: crm", "PlanId: crm\nDescription: Reprise\u00a0!")
    (problem,) = problems_of(f"{text}   a: b\n")
    assert "U+00A0" not in problem.message
