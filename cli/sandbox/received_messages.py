"""The sandbox's receivers of notifications: a file of channels, and what they got."""

import json
from datetime import datetime
from typing import Any
from urllib.request import Request, urlopen

from cli.render.cells import fit
from cli.render.output import show, write_json
from cli.render.tables import aligned
from runtime.exit import CliError, ExitCode
from sandbox.scenario import DEFAULT_ACCOUNT_ID
from sandbox.stack import Stack

_TIMEOUT_SECONDS = 10.0
_TITLE_WIDTH = 60
_CHANNELS = """\
# The channels of this sandbox. `drs-waves sandbox messages` prints what its receivers got.
Channels:
  - Name: pager
    PagerDuty:
      RoutingKey: {{Env: SANDBOX_CHANNEL_KEY}}
      Endpoint: {url}/pager-duty/v2/enqueue
  - Name: chat
    Apprise: {{Env: SANDBOX_CHAT_URL}}
  - Name: mail
    Apprise: {{Env: SANDBOX_MAIL_URL}}
  - Name: hook
    WebHook:
      Url: {url}/web-hook
      Secret: {{Env: SANDBOX_CHANNEL_KEY}}
  - Name: topic
    SNS: {{TopicArn: "{topic}"}}
  - Name: bus
    EventBridge: {{Bus: default, Region: {region}}}
"""


def add_channels(stack: Stack) -> None:
    """Write a file of channels that lead to the receivers, for all that starts from now on.

    The local AWS must be running.
    """
    topic = _ask(stack, "POST", f"topic?region={stack.region}")["TopicArn"]
    url = f"{stack.receivers_url}/{DEFAULT_ACCOUNT_ID}"
    file = stack.folder / "notify.yaml"
    file.write_text(_CHANNELS.format(url=url, topic=topic, region=stack.region))
    place = url.removeprefix("http://")
    mail_server = f"127.0.0.1:{stack.smtp_port}"
    stack.add_variables(
        {
            "DRS_WAVES_NOTIFY_FILE": str(file),
            "SANDBOX_CHANNEL_KEY": "sandbox",
            # Mattermost's web hooks take what Slack's do, and Apprise lets them be anywhere.
            "SANDBOX_CHAT_URL": f"mmost://{place}/slack/sandbox",
            "SANDBOX_MAIL_URL": f"mailto://{mail_server}"
            "?from=drs-waves@example.org&to=on-call@example.org&mode=insecure",
        }
    )


def received_messages(stack: Stack, receiver: str | None) -> list[dict[str, Any]]:
    """The messages that the receivers of a running sandbox got, in order.

    Raises:
        CliError: its local AWS is not running.
    """
    query = f"?receiver={receiver}" if receiver else ""
    found: list[dict[str, Any]] = _ask(stack, "GET", f"messages{query}")["Messages"]
    return sorted(found, key=lambda each: (each["Time"], each["Number"]))


def clear_messages(stack: Stack, receiver: str | None) -> None:
    """Delete them.

    Raises:
        CliError: its local AWS is not running.
    """
    _ask(stack, "DELETE", f"messages?receiver={receiver}" if receiver else "messages")


def print_messages(stack: Stack, receiver: str | None, *, as_json: bool) -> None:
    """Print the messages of a running sandbox."""
    found = received_messages(stack, receiver)
    if as_json:
        write_json(found)
        return
    if not found:
        show("The receivers got no message.")
        return
    rows = [
        (
            datetime.fromtimestamp(each["Time"]).astimezone().strftime("%H:%M:%S"),
            each["Receiver"],
            each["Incident"] or "",
            fit(each["Title"], _TITLE_WIDTH),
        )
        for each in found
    ]
    show(*aligned(rows, heading=("TIME", "RECEIVER", "INCIDENT", "TITLE")))


def _ask(stack: Stack, method: str, path: str) -> Any:
    try:
        request = Request(f"{stack.aws_url}/_sandbox/{path}", method=method)
        with urlopen(request, timeout=_TIMEOUT_SECONDS) as response:
            return json.load(response)
    except OSError as error:
        raise CliError(
            f"the local AWS of the sandbox does not answer: {error}", ExitCode.UNREACHABLE
        ) from error
