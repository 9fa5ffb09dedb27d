"""What the keys of a plan file mean, for the reference and the JSON Schema."""

import inspect
import re
from functools import cache

from recovery.base_model import Model
from recovery.plan.file.keys import KINDS, STEP, level_of
from recovery.steps.model import Step

_ATTRIBUTE = re.compile(r"^    (\w+): ((?:.|\n {8})*)", re.MULTILINE)
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
    "Recovery": "What a real recovery needs. With rules about who starts or approves it, its start "
    "must be signed.",
    "Approvers": "How many people, other than the starter, must approve a real recovery before its "
    "first launch.",
    "AuthorMayStart": "Whether the author of the plan's newest version may start a real recovery.",
    "StarterMayApprove": "Whether the starter of a real recovery may approve its waves.",
    "Notify": "Channels of the installation that get other events of this plan than of others.",
    "Channel": "The name of a channel of the installation.",
    "Events": "What goes to the channel. Default: what the installation has for it.",
    "Schedule": "When a drill of the registered plan starts by itself. It needs "
    "DrillLaunchSettings on every server, or `Isolation: NOT_NEEDED`.",
    "Cron": "When a drill starts; with Announce, when it is announced.",
    "TimeZone": "In which Cron is read.",
    "SkipIf": "NOT_READY: no drill starts unless the plan is READY, also if that is not known.",
    "CleanupAfter": "From a drill's end until its instances are terminated.",
    "Announce": "How long a drill is announced before it starts. Default: it starts at once.",
    "Freeze": "When no scheduled drill starts, besides the windows of the installation.",
    "From": "The first moment of the window.",
    "To": "The end of the window, at which drills may start again.",
    "Reason": "What people read of a drill that was skipped.",
    "ReadinessEvery": "How often the readiness of the registered plan is looked at.",
    "DrillIntervalDays": "After so many days without a drill, coverage lists the plan.",
    "Isolation": "NOT_NEEDED: drills of servers without DrillLaunchSettings may be scheduled.",
    "Waves": "The waves. Their order means nothing.",
    "WaveId": "Identifies the wave in its plan.",
    "WaveName": "The name on screens. Default: the WaveId.",
    "WaveDescription": "A text for people.",
    "ServerIds": "The wave's source servers, as plain IDs; or Servers.",
    "Servers": "The wave's source servers, as mappings; or ServerIds.",
    "ServersByTag": "The wave's source servers are those of its account and Region that have all "
    "these tags in DRS; instead of ServerIds and Servers. They are looked up at each start.",
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
    "FenceFirst": "Whether each wave without Dependencies must begin with a Manual or acting step "
    "in a real recovery, which stops the source servers from writing.",
    "PreLaunchSteps": "What runs before the launch, in this order.",
    "PostLaunchSteps": "What runs once every CRITICAL server is up, in this order.",
    "LaunchSettings": "What DRS and EC2 should have for launches. A server's has precedence over "
    "its wave's, and that over the plan's. Only `launch-settings apply` applies it.",
    "DrillLaunchSettings": "What only drills have, on top of LaunchSettings, while they launch; it "
    "isolates them from production, so it names a SubnetId.",
    "SubnetId": "The subnet of the instance.",
    "SecurityGroupIds": "The security groups of the instance, all of them.",
    "InstanceType": "The instance's type. DRS's right sizing is turned off with it.",
    "InstanceProfile": "The IAM instance profile.",
    "Tags": "Tags of the instance. Those of the server, its wave and its plan are joined; others, "
    "which the launch template has, stay.",
    "LaunchDisposition": "Whether DRS starts the instance.",
    "RecoveryMode": "FAST leaves out the conversion, some 37 % of a launch; see AWS's "
    "documentation for which servers it suits.",
    "CopyPrivateIp": "Whether the instance gets the private address of its source server.",
    "PostLaunchEnabled": "Whether DRS runs the server's post-launch actions. DrillLaunchSettings "
    "state it for servers with active actions.",
    "PrivateIp": "The private address of the instance, in its subnet.",
    "Steps": "What runs in a wave without servers, in this order.",
}


def about(model: type[Model]) -> str:
    """What a mapping is for: the first line of its model's description."""
    return (inspect.getdoc(model) or "").partition("\n")[0]


@cache
def meanings_of(model: type[Model]) -> dict[str, str]:
    """What the keys of a mapping mean; of steps and their kinds, as the models say."""
    if model.__module__ != Step.__module__:
        return _MEANINGS
    described = {
        name: " ".join(text.split())
        for each in reversed(model.__mro__)
        for name, text in _ATTRIBUTE.findall(inspect.cleandoc(each.__doc__ or ""))
    }
    keys = STEP.keys if model is Step else level_of(model).keys
    kinds = {kind: about(each) for kind, each in KINDS.items()}
    found = {
        field.alias or name: f"{described[name][0].upper()}{described[name][1:]}"
        for name, field in model.model_fields.items()
        if name in described
    }
    return {key: text for key, text in (kinds | found).items() if key in keys}
