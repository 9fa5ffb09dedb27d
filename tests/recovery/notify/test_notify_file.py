"""How the file of channels is read, and what is said of a wrong one."""

from pathlib import Path

import pytest

from recovery.model_file import ModelFileError
from recovery.notify.channels import SecretReference
from recovery.notify.event_kind import EventKind
from recovery.notify.notify_file import parse_notify_file, read_notify_file

EXAMPLE = Path(__file__).parents[3] / "examples" / "channels.yaml"


def problems(text: str) -> list[str]:
    with pytest.raises(ModelFileError) as caught:
        parse_notify_file(text, source="channels.yaml")
    return str(caught.value).splitlines()


def test_the_example_has_a_channel_of_every_kind() -> None:
    channels = read_notify_file(EXAMPLE)
    assert {each.kind for each in channels} == {
        "Apprise", "PagerDuty", "SNS", "EventBridge", "WebHook",
    }  # fmt: skip


def test_json_is_read_too() -> None:
    text = '{"Channels": [{"Name": "team", "Apprise": {"Env": "URL"}, "Events": ["WAVE_UP"]}]}'
    (channel,) = parse_notify_file(text, source="DRS_WAVES_NOTIFY")
    assert channel.apprise == SecretReference(env="URL")
    assert channel.events == [EventKind.WAVE_UP]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "channels.yaml: the file of channels is empty; it needs Channels"),
        ("- a\n", "channels.yaml: the file of channels is a list; it needs the key Channels"),
        ("Channels: []\n", "channels.yaml:1: Channels: the list is empty; name at least one"),
        ("Chanels: []\n", "the keys here are Channels; did you mean Channels?"),
        ("Channels: [\n", "channels.yaml:1: this is not valid YAML"),
        ("Channels:\n- Name: a\n  Apprise: {Env: X}\n- Name: a\n  Apprise: {Env: X}\n",
         "two channels are named a"),
    ],
)  # fmt: skip
def test_what_is_no_list_of_channels_is_named(text: str, problem: str) -> None:
    assert any(problem in each for each in problems(text)), problems(text)


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("Name: a b", ":2: Channels entry 1 Name: write "),
        ("Name: a", ":2: Channels entry 1: a channel has one of Apprise, PagerDuty, SNS, "),
        ("Name: a\n  Apprise: {Env: X}\n  SNS: {TopicArn: 'arn:aws:sns:us-west-2:123456789012:t'}",
         "a channel has one of Apprise"),
        ("PagerDutty: {RoutingKey: {Env: X}}", "did you mean PagerDuty?"),
        ("Apprise: {Env: X, SsmParameter: /y}", ":2: Channels entry 1 Apprise: give one of Env, "),
        ("WebHook: {Url: 'ftp://x', Secret: {Env: X}}",
         ":2: Channels entry 1 WebHook Url: write a URL that begins with https://"),
        ("WebHook: {Url: {Envv: X}, Secret: {Env: X}}",
         ":2: Channels entry 1 WebHook Url Envv: unknown key"),
        ("WebHook: {Url: 'https://x'}", ":2: Channels entry 1 WebHook Secret: it is missing"),
        ("SNS: {TopicArn: recovery}", "write the ARN of a topic such as arn:aws:sns:"),
        ("Events: [DECISION_NEDED]", "entry 1: write STARTED, "),
        ("Events: [DECISION_NEDED]", "did you mean DECISION_NEEDED?"),
        ("Events: WAVE_UP", "Events: write a list"),
        ("Default: perhaps", "Default: write true or false"),
        ("TimeZone: Berlin", '"Berlin" is no time zone; write one such as Europe/Berlin or UTC'),
        ("QuietHours: 22-6", '"22-6" are no hours; write them as 22:00-06:00'),
    ],
)  # fmt: skip
def test_a_wrong_channel_is_named_with_its_place_and_what_to_write(
    lines: str, problem: str
) -> None:
    found = problems(f"Channels:\n- {lines}\n")
    assert any(problem in each for each in found), found


def test_a_secret_in_the_wrong_place_is_not_shown() -> None:
    lines = (
        "Apprise: slack://s3cret",
        "PagerDuty: s3cret",
        "PagerDuty: {RoutingKey: s3cret}",
        "Apprise: {Env: s3cret-value}",
        "WebHook: {Url: s3cret, Secret: s3cret}",
    )
    for line in lines:
        found = problems(f"Channels:\n- {line}\n")
        assert "s3cret" not in "".join(found)
