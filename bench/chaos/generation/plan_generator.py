"""Generates random recovery plans and the launch behavior of their servers."""

from random import Random
from typing import Any

from bench.chaos.generation.step_generator import StepGenerator
from bench.chaos.generation.step_kinds import generate_application
from bench.testbed import ACCOUNT, OTHER_REGION, REGION
from recovery.plan.fields import MAX_SECONDS, Impact
from recovery.plan.model import Dependency, OnFailure, RecoveryPlan, Server, Wave

# Seconds of DRS, before the speed factor. A launch takes 1 to 3 s at the speed of the drills.
_LAUNCH_SECONDS = (200.0, 900.0)
_STUCK_SECONDS = 4000.0
_SHORT_TIMEOUT_SECONDS = 1500.0
_SERVERS_PER_DRILL = 0x100
_MAX_DEPENDENCIES = 3
_NO_SERVERS = 0.1
_IMPACTS = (Impact.CRITICAL, Impact.OPTIONAL)
_PERMISSIONS = ("ec2:CreateLaunchTemplateVersion", "ec2:StartInstances", "iam:PassRole")


def generate_plan(
    rng: Random, *, drill: int, aws_url: str
) -> tuple[RecoveryPlan, dict[str, list[dict[str, Any]]]]:
    """Generate a plan of 1 to 8 waves of 1 to 4 servers, or of steps only.

    The server IDs are unique to the drill. `aws_url` is where the local AWS is.

    Returns:
        The plan, and a scenario: its source servers and some of others, and what steps need.
    """
    count = rng.choices(range(1, 9), weights=(1, 2, 4, 4, 3, 2, 1, 1))[0]
    regions = (REGION, OTHER_REGION) if rng.random() < 0.3 else (REGION,)
    scenario: dict[str, list[dict[str, Any]]] = {}
    source_servers = scenario.setdefault("SourceServers", [])
    waves = []
    for index in range(count):
        wave, own = _generate_wave(
            rng,
            drill=drill,
            index=index,
            region=rng.choice(regions),
            first=len(source_servers),
            aws_url=aws_url,
        )
        waves.append(wave)
        for key, entries in own.items():
            scenario.setdefault(key, []).extend(entries)
    plan = RecoveryPlan(
        plan_id=f"drill-{drill:04}",
        on_failure=rng.choice((None, None, None, OnFailure.ASK, OnFailure.CONTINUE)),
        deadline_seconds=MAX_SECONDS,
        waves=waves,
    )
    odd = f"s-{0xC0000000 + _SERVERS_PER_DRILL * (drill + 1) - 1:017x}"
    if rng.random() < 0.2:
        source_servers.append(_generate_odd_server(rng, odd, rng.choice(regions)))
    return plan, scenario


def _generate_wave(
    rng: Random, *, drill: int, index: int, region: str, first: int, aws_url: str
) -> tuple[Wave, dict[str, list[dict[str, Any]]]]:
    count = 0 if rng.random() < _NO_SERVERS else rng.randint(1, 4)
    ids = [f"s-{0xC0000000 + _SERVERS_PER_DRILL * drill + first + n:017x}" for n in range(count)]
    source_servers = [_generate_server(rng, server_id, region) for server_id in ids]
    stuck = any("stuck" in server["Outcome"] for server in source_servers)
    short = stuck and rng.random() < 0.6
    others = rng.sample(range(index), k=min(index, _MAX_DEPENDENCIES))
    steps = StepGenerator(rng, drill, index + 1, region, ids, aws_url).generate()
    wave = Wave(
        wave_id=f"w{index + 1}",
        wave_name=f"Wave {index + 1}",
        servers=[
            Server(
                source_server_id=server_id,
                impact=(impact := rng.choices(_IMPACTS, weights=(4, 1))[0]),
                recovery_snapshot_id=_generate_dead_snapshot(rng, impact),
            )
            for server_id in ids
        ],
        dependencies=[
            Dependency(depends_on_wave_id=f"w{n + 1}") for n in others if rng.random() < 0.5
        ],
        region=region,
        account_id=ACCOUNT if rng.random() < 0.5 else None,
        timeout_seconds=_SHORT_TIMEOUT_SECONDS if short else MAX_SECONDS,
        on_failure=rng.choices(
            (None, OnFailure.CONTINUE, OnFailure.ASK, OnFailure.STOP), weights=(8, 2, 2, 1)
        )[0],
        retries=rng.choices((0, 1, 2), weights=(6, 2, 1))[0],
        approval_required=rng.random() < 0.1,
        **steps.fields,
    )
    return wave, {"SourceServers": source_servers} | steps.scenario


def _generate_server(rng: Random, server_id: str, region: str) -> dict[str, Any]:
    outcome = rng.choices(
        ("launched", "failed-early", "failed-late", "stuck", "missing-permission"),
        weights=(86, 5, 4, 3, 2),
    )[0]
    # Outcomes of successive launches. The last repeats, so that some servers never launch.
    outcomes = [outcome, "launched"] if rng.random() < 0.7 else [outcome]
    return {
        "SourceServerId": server_id,
        "Region": region,
        "AccountId": ACCOUNT,
        "Outcome": outcomes,
        "LaunchSeconds": round(rng.uniform(*_LAUNCH_SECONDS), 1),
        "StuckSeconds": _STUCK_SECONDS,
        "MissingPermission": rng.choice(_PERMISSIONS),
        "RecoveryInstanceIdMissing": rng.random() < 0.9,
        "LaunchDisposition": "STOPPED" if rng.random() < 0.05 else "STARTED",
        "EarlierInstanceCleanUp": rng.choice(("at-start", "before-launch")),
        "StatusLagSeconds": rng.choice((0.0, 0.0, 0.0, 0.0, 30.0)),
        "DeadSnapshot": rng.choice(("invalid", "not-found", "fails-in-job")),
        "Applications": [generate_application(rng)],
    }


def _generate_dead_snapshot(rng: Random, impact: Impact) -> str | None:
    """Generate the snapshot of a server in its plan, which DRS does not have any more, or None."""
    dead = impact is Impact.OPTIONAL and rng.random() < 0.1
    return f"pit-{rng.randrange(16**17):017x}" if dead else None


def _generate_odd_server(rng: Random, server_id: str, region: str) -> dict[str, Any]:
    """Generate a server of somebody else, whose items in listings are odd."""
    return {
        "SourceServerId": server_id,
        "Region": region,
        "AccountId": ACCOUNT,
        "LiveRecoveryInstance": rng.choice(("DRILL", "RECOVERY")),
        "Oddity": rng.choice(("null-tag", "unknown-status", "missing-field")),
    }
