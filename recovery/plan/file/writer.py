"""Writes a plan as a file that reads as the same plan."""

from collections.abc import Mapping
from typing import Any

import yaml

from recovery.plan.model import RecoveryPlan

# Any JSON, whose numbers stay as they are.
_JSON = ("Payload", "Body", "Input")
_OF_THE_PLAN = ("Region", "RoleArn", "AccountId")


def plan_text(plan: RecoveryPlan) -> str:
    """A plan as YAML, without values that are the defaults."""
    content = _plain(plan.as_in_file().model_dump(mode="json", exclude_defaults=True))
    content["Waves"] = [_wave(each, content) for each in content["Waves"]]
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1000)
    return text


def _wave(wave: Mapping[str, Any], plan: Mapping[str, Any]) -> dict[str, Any]:
    """A wave without what it has from its plan; its servers as plain IDs if these say all."""
    written = {}
    for key, value in wave.items():
        if key == "Servers" and all(server.keys() == {"SourceServerId"} for server in value):
            if value:
                written["ServerIds"] = [server["SourceServerId"] for server in value]
        elif key not in _OF_THE_PLAN or value != plan.get(key):
            written[key] = value
    return written


def _plain(value: Any) -> Any:
    """A value with whole numbers as people write them."""
    if isinstance(value, dict):
        return {key: each if key in _JSON else _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
