"""The reference of all keys of a plan file, `docs/plan.md`."""

from collections.abc import Mapping

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from recovery.plan.file.keys import LEVELS, Key, required_key
from recovery.plan.model import Dependency, PlanChannel, RecoveryPlan, RecoveryRules, Server, Wave

_MODELS: tuple[type[BaseModel], ...] = (
    RecoveryPlan,
    RecoveryRules,
    Wave,
    Server,
    Dependency,
    PlanChannel,
)
_HEADINGS = (
    "The plan",
    "Recovery",
    "A wave",
    "An entry of Servers",
    "An entry of Dependencies",
    "An entry of Notify",
)
_MEANINGS = {
    "PlanId": "Identifies the plan. Of one plan, one execution runs at a time.",
    "PlanName": "The name on screens. Default: the PlanId.",
    "Description": "A text for people.",
    "Owner": "A text for people.",
    "Region": "The Region in which DRS launches. The plan's holds for waves without their own.",
    "RoleArn": "The role to assume, for another account. Default: the worker's credentials.",
    "AccountId": "The account that the worker must act in. In another, nothing is launched.",
    "RTO": "The recovery time objective, which screens and forecasts compare with.",
    "RPO": "The recovery point objective.",
    "Priority": "Which plan launches first when quota is short; 1 is the highest.",
    "OnFailure": (
        "What happens when a wave fails or times out. SKIP_DEPENDENTS: its dependents are skipped. "
        "ASK: they wait for an operator. CONTINUE: they launch. STOP: nothing more is launched. "
        "Default: SKIP_DEPENDENTS in a drill, ASK in a recovery. A wave's own has precedence."
    ),
    "DeadlineSeconds": "From the plan's start; afterwards nothing is launched.",
    "DecisionSeconds": "With `OnFailure: ASK`, how long the dependents of a failed wave wait for a "
    "decision.",
    "Recovery": "Whose approval a real recovery needs. With it, its start must be signed.",
    "Approvers": "How many people, other than the starter, must approve a real recovery before its "
    "first launch.",
    "AuthorMayStart": "Whether the author of the plan's newest version may start a real recovery.",
    "StarterMayApprove": "Whether the starter of a real recovery may approve its waves.",
    "Notify": "Channels of the installation that get other events of this plan than of others.",
    "Channel": "The name of a channel of the installation.",
    "Events": "What goes to the channel. Default: what the installation has for it.",
    "Waves": "The waves. Their order means nothing.",
    "WaveId": "Identifies the wave in its plan.",
    "WaveName": "The name on screens. Default: the WaveId.",
    "WaveDescription": "A text for people.",
    "ServerIds": "The wave's source servers, as plain IDs; or Servers.",
    "Servers": "The wave's source servers, as mappings; or ServerIds.",
    "Dependencies": "The waves that must be up first. Without any, the wave starts at once.",
    "TimeoutSeconds": "From the acceptance of StartRecovery; afterwards the wave is TIMED_OUT.",
    "Retries": "How often the servers that failed are launched again.",
    "ApprovalRequired": "Whether the wave waits for an operator's approval.",
    "PauseBeforeWave": "The same as ApprovalRequired.",
    "SourceServerId": "The source server in DRS.",
    "Impact": "OPTIONAL: if only such servers fail, the wave is PARTIAL and dependents go on.",
    "RecoverySnapshotId": "The point in time to recover to. Default: the latest.",
    "DependsOnWaveId": (
        "The exact WaveId. In a plan none of whose WaveIds ends in a number, "
        "the number at the end may name a wave by its place, from 1, with a warning."
    ),
}
_LISTS = {
    "Recovery": "a mapping, as below",
    "Notify": "a list of mappings, as below",
    "Waves": "a list of waves",
    "Servers": "a list of mappings, as below",
    "ServerIds": "a list of source server IDs",
    "Dependencies": "a list of mappings, as below",
}
_BEGINNING = """\
# Keys of a plan file

<!-- Written by `make references` from the models; a test compares them. -->

A plan file is YAML or JSON. Other keys than these are errors; `drs-waves validate` lists all
problems of a file. A key without a value counts as left out.
"""


def reference() -> str:
    """Return the document: each level of a plan file with its keys."""
    parts = [_BEGINNING]
    for heading, model, keys in zip(_HEADINGS, _MODELS, LEVELS.values(), strict=True):
        defaults = {
            field.alias or name: field.default
            for name, field in model.model_fields.items()
            if field.default not in (None, "", PydanticUndefined)
        }
        parts.append(f"\n## {heading}\n\n| key | value | default | meaning |\n|---|---|---|---|\n")
        parts += _rows(keys, defaults)
    return "".join(parts)


def _rows(keys: Mapping[str, Key], defaults: Mapping[str, object]) -> list[str]:
    required = required_key(keys)
    rows = []
    for name, key in keys.items():
        default = "required" if name == required else _text(defaults.get(name, ""))
        value = _LISTS.get(name) or key.expected
        rows.append(f"| `{name}` | {value} | {default} | {_MEANINGS[name]} |\n")
    return rows


def _text(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case _:
            return str(value)


if __name__ == "__main__":
    print(reference(), end="")
