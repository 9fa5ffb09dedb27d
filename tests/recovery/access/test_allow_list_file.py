"""How allow-lists are read, and what is said of a wrong one."""

from pathlib import Path

import pytest

from recovery.access.allow_list_file import parse_allow_list, read_allow_list
from recovery.model_file import ModelFileError
from recovery.plan.model import Target

EXAMPLE = Path(__file__).parents[3] / "examples" / "allow-list.yaml"


def problems(text: str) -> list[str]:
    with pytest.raises(ModelFileError) as caught:
        parse_allow_list(text, source="list.yaml")
    return str(caught.value).splitlines()


def test_the_example_allows_what_it_says() -> None:
    allow_list = read_allow_list(EXAMPLE)

    def entry(region: str, role: str | None = None) -> object:
        target = Target(region=region, role_arn=role)
        return allow_list.entry_of(target, lambda: "123456789012")

    assert entry("eu-central-1")
    assert entry("us-west-2", "arn:aws:iam::333333333333:role/drs-waves-launch")
    assert not entry("us-west-2", "arn:aws:iam::444444444444:role/drs-waves-launch")
    assert not entry("eu-central-1", "arn:aws:iam::333333333333:role/drs-waves-launch")


@pytest.mark.parametrize(
    "text",
    [
        '{"Targets": [{"AccountIds": ["012345670123"], "Regions": ["us-west-2"]}]}',
        # YAML 1.1 would read it as a number to the base 8.
        "Targets:\n- AccountIds: [012345670123]\n  Regions: [us-west-2]\n",
    ],
)
def test_json_and_accounts_without_quotes_are_read(text: str) -> None:
    allow_list = parse_allow_list(text, source="DRS_WAVES_ALLOW_LIST")
    assert allow_list.targets[0].account_ids == ("012345670123",)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "list.yaml: the allow-list is empty"),
        ("- a\n", "list.yaml: the allow-list is a list; it needs the key Targets"),
        ("Targets: []\n", "list.yaml:1: Targets: the list is empty; name at least one"),
        ("Targets:\n", "list.yaml:1: Targets: write a list"),
        ("Target: []\n", "list.yaml:1: Target: unknown key, or one that has no effect yet; the "
         "keys here are Targets"),
        ("Targets:\n- here\n", "list.yaml:2: Targets entry 1: write a mapping with"),
        ("Targets: [\n", "list.yaml:1: this is not valid YAML"),
    ],
)  # fmt: skip
def test_what_is_no_list_of_targets_is_named_with_its_place(text: str, problem: str) -> None:
    assert any(each.startswith(problem) for each in problems(text)), problems(text)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("Regions: [us-west-2]", "list.yaml:2: Targets entry 1 AccountIds: it is missing"),
        ("AccountIds: [12345678901]",
         'list.yaml:2: Targets entry 1 AccountIds entry 1: "12345678901" is not valid; '
         "write the 12 digits of an account, or a glob"),
        ('AccountIds: "*"', "list.yaml:2: Targets entry 1 AccountIds: write a list"),
        ("Regions: [us_west_2]", '"us_west_2" is not valid; write a Region such as us-west-2'),
        ("Regions: ['[a-z]*']", "is not valid"),
        ("RoleArns: [Recovery]", '"Recovery" is not valid; write the ARN of an IAM role'),
        ("RoleArns: []", "the list is empty"),
        ("AccountIds: ['*']\n  Regions: ['*']\n  ExternalId: abc",
         "ExternalId has no effect without RoleArns"),
        ("AccountIds: ['*']\n  Regions: ['*']\n  LookRole: look",
         "LookRole has no effect without RoleArns"),
        ("AccountIds: ['*']\n  Regions: ['*']\n  RoleArns: ['*']\n"
         "  TerminateRole: arn:aws:iam::222222222222:role/terminate",
         "TerminateRole: an ARN is of one account"),
        ("LookRole: drs-*", "write the name of a role, or its ARN"),
        ("ExternalId: a b", "write 2 to 1,224 letters"),
        ("SsmDocuments: ['*']", "SsmDocuments: unknown key, or one that has no effect yet"),
        ("Regions: ['*']\n  Regions: [us-west-2]", "list.yaml:3: key Regions is given twice"),
    ],
)  # fmt: skip
def test_a_wrong_entry_is_named_with_its_place_and_what_to_write(line: str, problem: str) -> None:
    text = f"Targets:\n- {line}\n"
    assert any(problem in each for each in problems(text)), problems(text)


def test_a_glob_that_yaml_takes_for_an_alias_is_to_be_quoted() -> None:
    assert 'quote a text that begins with *, as in ["*"]' in "".join(problems("Targets: [*]\n"))


def test_all_problems_are_named_at_once() -> None:
    found = problems("Targets:\n- AccountIds: [x]\n- Regions: [y]\n  Hosts: [z]\n")
    assert len(found) == 5


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelFileError, match="the allow-list cannot be read") as caught:
        read_allow_list(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)
