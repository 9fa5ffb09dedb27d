"""The documents say what is true: each command, option, setting, link and file in them exists."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer.main
from typer.testing import CliRunner

from cli.app import app
from recovery.access.allow_list_file import parse_allow_list
from recovery.model_file import parse_model
from recovery.notify.notify_file import parse_notify_file
from recovery.portfolio.model import Portfolio
from runtime.exit import DEBUG_VARIABLE
from settings import Settings

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
COMPOSE = ROOT / "docker-compose.yml"
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
SETTINGS = ROOT / "docs" / "settings.md"
DOCUMENTS = (
    README,
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    *sorted((ROOT / "docs").rglob("*.md")),
)
ROOMS = "activities|bench|cli|deploy|docs|examples|recovery|sandbox|tests|workflows"
# Where a setting that has no default of its own takes its value from.
DERIVED_DEFAULTS = {
    "history_region": "the AWS Region",
    "temporal_region": "from the address",
    "jobs_quota": "from Service Quotas",
    "servers_quota": "from Service Quotas",
    "oidc_jwks_url": "from the issuer",
    "public_url": "from the request",
}

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"`([^`]+)`")
_SETTING = re.compile(r"\bDRS_WAVES_[A-Z_]+\b")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_PATH = re.compile(rf"(?<![\w./~])(?:\./)?((?:{ROOMS})/[\w./-]*\w)")
_CALL = re.compile(r"(?<![\w/.:-])drs-waves (?=[a-z-])(.*)")

each_document = pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT))
)


class Command(NamedTuple):
    """A command of the command line: its options, its subcommands by name, and its arguments."""

    options: frozenset[str]
    commands: dict[str, "Command"]
    arguments: int


def _command(found: Any) -> Command:
    options = {name for each in found.params for name in (*each.opts, *each.secondary_opts)}
    names = found.context_settings.get("help_option_names", ["--help"])
    # Not `commands`, which lacks those that are loaded when they are used.
    listed = found.list_commands(None) if hasattr(found, "list_commands") else []
    below = {name: _command(found.get_command(None, name)) for name in listed}
    arguments = sum(each.param_type_name == "argument" for each in found.params)
    return Command(frozenset(options | set(names) | {"--help", "-h"}), below, arguments)


COMMAND_LINE = _command(typer.main.get_command(app))


def _all_options(command: Command) -> set[str]:
    return set(command.options).union(*(_all_options(each) for each in command.commands.values()))


def code(text: str) -> Iterator[str]:
    """The lines of a document's code blocks, and its code spans; plain examples of output aside."""
    for language, block in _FENCE.findall(text):
        if language != "text":
            yield from block.replace("\\\n", " ").splitlines()
    for span in _SPAN.findall(_FENCE.sub("", text)):
        yield span.replace("\n", " ")


def calls(text: str) -> Iterator[list[str]]:
    """The words after `drs-waves` in each call of it in a document."""
    for line in code(text):
        for part in re.split(r"&&|\||;", line):
            if call := _CALL.search(part):
                yield shlex.split(call[1], comments=True)


def problem_of(words: list[str], command: Command = COMMAND_LINE) -> str | None:
    """What in a call does not exist; None where all of it does."""
    options = set(command.options)
    for word in words:
        # `-2h` is the value of an option.
        if re.match(r"-\d", word):
            continue
        if word.startswith("-"):
            if word.split("=")[0] not in options:
                return f"no option {word}"
        elif command.commands:
            if word not in command.commands:
                if not command.arguments:
                    return f"no command {word}"
                command = command._replace(commands={})
                continue
            command = command.commands[word]
            options |= command.options
    return None


def anchors(document: Path) -> set[str]:
    """The names that a document's headings can be linked by."""
    headings = re.findall(r"^#+ (.*)$", _FENCE.sub("", document.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


def test_the_readme_opens_with_the_two_commands_and_both_are_in_the_makefile() -> None:
    language, block = _FENCE.findall(README.read_text())[0]
    commands = [line.split("#")[0].strip() for line in block.splitlines()]
    assert (language, commands) == ("console", ["make run", "make test"])


@each_document
def test_every_make_command_is_a_target(document: Path) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = [
        found[1] for line in code(document.read_text()) if (found := re.match(r"make (\S+)", line))
    ]
    assert set(named) <= set(targets)


@each_document
def test_every_command_exists(document: Path) -> None:
    found = list(calls(document.read_text()))
    assert found
    wrong = [
        f"drs-waves {' '.join(words)}: {problem}"
        for words in found
        if (problem := problem_of(words))
    ]
    assert wrong == []


def test_a_command_or_option_that_does_not_exist_is_noticed() -> None:
    assert problem_of(["run", "crm.yaml", "--dry-run"]) is None
    assert problem_of(["sandbox", "up", "--speed", "60"]) is None
    assert problem_of(["history", "crm-1", "--json"]) is None
    assert problem_of(["history", "verify", "crm-1", "--no-repair"]) is None
    assert problem_of(["history", "crm-1", "--no-repair"]) == "no option --no-repair"
    assert problem_of(["fly", "crm"]) == "no command fly"
    assert problem_of(["sandbox", "sideways"]) == "no command sideways"
    assert problem_of(["run", "crm.yaml", "--fast"]) == "no option --fast"
    assert problem_of(["validate", "crm.yaml", "--recovery"]) == "no option --recovery"


@each_document
def test_every_option_named_by_itself_exists(document: Path) -> None:
    spans = _SPAN.findall(_FENCE.sub("", document.read_text()))
    named = {span.split()[0].split("=")[0] for span in spans if span.startswith("--")}
    assert named <= _all_options(COMMAND_LINE)


@each_document
def test_every_setting_exists(document: Path) -> None:
    known = {f"DRS_WAVES_{name.upper()}" for name in Settings.model_fields}
    assert set(_SETTING.findall(document.read_text())) <= known | {DEBUG_VARIABLE}


def test_every_setting_is_documented_with_its_default() -> None:
    rows = re.findall(r"^\| `DRS_WAVES_([A-Z_]+)` \| ([^|]+) \|", SETTINGS.read_text(), re.M)
    assert sorted(name for name, _ in rows) == sorted(map(str.upper, Settings.model_fields))
    table = dict(rows)
    for name, field in Settings.model_fields.items():
        documented = table[name.upper()].strip("`")
        match field.default:
            case None:
                assert documented == DERIVED_DEFAULTS.get(name, "off")
            case bool():
                assert documented == str(field.default).lower()
            case int() | float():
                assert float(documented) == field.default
            case _:
                assert documented == field.default


@each_document
def test_every_plan_and_file_of_a_worker_is_valid(document: Path, tmp_path: Path) -> None:
    for language, block in _FENCE.findall(document.read_text()):
        if language == "yaml" and block.startswith("Targets:"):
            assert parse_allow_list(block, source=str(document))
        elif language == "yaml" and block.startswith("Channels:"):
            assert parse_notify_file(block, source=str(document))
        elif language == "yaml" and block.startswith("PortfolioId:"):
            assert parse_model(block, Portfolio, source=str(document), what="the portfolio")
        elif language == "yaml":
            plan = tmp_path / "plan.yaml"
            plan.write_text(block)
            checked = CliRunner().invoke(app, ["validate", str(plan)])
            assert checked.exit_code == 0, checked.output


@each_document
def test_every_link_leads_somewhere(document: Path) -> None:
    for link in _LINK.findall(document.read_text()):
        if link.startswith(("https://", "http://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), f"{link} is nowhere"
        assert not anchor or anchor in anchors(target), f"{link} has no such heading"


@pytest.mark.parametrize("file", [*DOCUMENTS, COMPOSE, DOCKERFILE], ids=lambda path: path.name)
def test_every_file_that_is_named_exists(file: Path) -> None:
    text = file.read_text()
    named = "\n".join(code(text)) if file.suffix == ".md" else text
    missing = [path for path in _PATH.findall(named) if not (ROOT / path).exists()]
    assert missing == []
