"""Applies a scenario to the DRS backends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from importlib import import_module

from moto.core.exceptions import ServiceException

from sandbox.drs import drs_backends
from sandbox.drs.jobs.timeline import Outcome
from sandbox.drs.models import DRSBackend
from sandbox.drs.servers.launch_actions import LaunchAction
from sandbox.drs.servers.launch_settings import TemplateVersion
from sandbox.drs.servers.snapshot_policy import SnapshotGap
from sandbox.drs.servers.source_servers import SourceServer as DrsServer
from sandbox.drs.simulation import simulation
from sandbox.recovered.behavior import RecoveredBehavior, recovered_backends
from sandbox.scenario import (
    DEFAULT_ACCOUNT_ID,
    DEFAULT_REGION,
    Quotas,
    ScenarioError,
    SourceServer,
)
from sandbox.server_settings import LaunchTemplate

_SERVER_KEYS = {
    "os", "recovery_snapshot_ids", "status_lag", "clean_up", "dead_snapshot", "oddity",
    "reverse_replication", "recommended_instance_type", "encryption_key_arn",
}  # fmt: skip
_CONFIGURATION_KEYS = {
    "launch_disposition": "launchDisposition",
    "post_launch_enabled": "postLaunchEnabled",
    "copy_private_ip": "copyPrivateIp",
    "recovery_mode": "recoveryMode",
    "right_sizing": "targetInstanceTypeRightSizingMethod",
}


def all_backends() -> Iterator[DRSBackend]:
    """Iterate over the backends of all accounts and Regions that exist in moto."""
    for account in list(drs_backends.values()):
        yield from list(account.values())


def apply_quotas(quotas: Quotas, backends: Iterable[DRSBackend]) -> None:
    """Set the quotas that are given, where they are of the backend's account."""
    fields_set = quotas.model_dump(exclude_none=True, exclude={"account_id"})
    for backend in backends:
        if quotas.account_id in (None, backend.account_id):
            for name, value in fields_set.items():
                setattr(backend.quotas, name, value)


def apply_source_server(entry: SourceServer) -> list[DRSBackend]:
    """Create or update the source server of an entry.

    Returns:
        The backends that contain the server.

    Raises:
        ScenarioError: DRS is not available in the Region.
    """
    backends = [
        backend
        for backend in all_backends()
        if entry.source_server_id in backend.source_servers
        and entry.region in (None, backend.region_name)
        and entry.account_id in (None, backend.account_id)
    ]
    is_new = False
    if not backends:
        account_id = entry.account_id or DEFAULT_ACCOUNT_ID
        region = entry.region or DEFAULT_REGION
        if region not in drs_backends[account_id]:
            problem = f"DRS is not available in Region {region}"
            raise ScenarioError(f"{entry.source_server_id}: {problem}")
        backend = drs_backends[account_id][region]
        name = entry.name or entry.source_server_id
        backend.add_source_server(entry.source_server_id, name, entry.tags)
        _set_first_template(backend.source_servers[entry.source_server_id], entry)
        backends, is_new = [backend], True
    for backend in backends:
        server = backend.source_servers[entry.source_server_id]
        _update_server(server, entry)
        _update_configuration(server, entry, is_new=is_new)
        _update_snapshots(server, entry)
        _update_recovered(backend, entry)
        if entry.launch_template is not None and not is_new:
            # Takes half a second to import.
            import_module("sandbox.ec2.launch_templates").edit_template(
                backend.account_id,
                backend.region_name,
                entry.source_server_id,
                entry.launch_template.data(),
            )
        if entry.live_recovery_instance is not None:
            drill = entry.live_recovery_instance == "DRILL"
            backend.seed_recovery_instance(entry.source_server_id, is_drill=drill)
        if entry.running_job:
            backend.seed_running_job(entry.source_server_id)
        if entry.console_launch is not None:
            drill = entry.console_launch == "DRILL"
            _launch_from_console(backend, entry.source_server_id, is_drill=drill)
    return backends


def _update_server(server: DrsServer, entry: SourceServer) -> None:
    fields_set = entry.model_fields_set
    for key in fields_set & _SERVER_KEYS:
        setattr(server, key, getattr(entry, key))
    if fields_set & {"replication_state", "lag_duration"}:
        lag = entry.lag_duration.total_seconds() if "lag_duration" in fields_set else None
        state = fields_set & {"replication_state"} and entry.replication_state
        server.replicate(state or server.replication_state, lag)
    now = simulation.now()
    if "lag_over_time" in fields_set:
        server.lag_steps = tuple(
            (now + each.after_seconds / simulation.speed, each.lag_duration.total_seconds())
            for each in entry.lag_over_time
        )
    if entry.agent_last_seen_ago is not None:
        ago = entry.agent_last_seen_ago.total_seconds()
        server.last_seen = now - ago if ago else None
    behavior = fields_set & {"launch_seconds", "stuck_seconds", "raw_error", "missing_permission"}
    server.behavior = replace(server.behavior, **{key: getattr(entry, key) for key in behavior})
    if "outcome" in fields_set:
        server.outcomes = tuple(Outcome(each) for each in entry.outcome)
        server.launches = 0
    elif "missing_permission" in fields_set:
        server.outcomes, server.launches = (Outcome.MISSING_PERMISSION,), 0
    if "recovery_instance_id_missing" in fields_set:
        server.reports_instance_id = not entry.recovery_instance_id_missing
    if "launch_actions" in fields_set:
        actions = entry.launch_actions
        server.launch_actions = tuple(LaunchAction(**each.model_dump()) for each in actions)
    # One assignment, because another thread may read the tags at the same time.
    named = {} if entry.name is None else {"Name": entry.name}
    server.tags = {**server.tags, **named, **entry.tags}


def _update_configuration(server: DrsServer, entry: SourceServer, *, is_new: bool) -> None:
    changes = {
        key: getattr(entry, name)
        for name, key in _CONFIGURATION_KEYS.items()
        if name in entry.model_fields_set
    }
    if not changes:
        return
    configuration = {**server.launch_configuration, **changes}
    if is_new:
        server.settings.configuration.replace(configuration)
    else:
        server.settings.configuration.change(simulation.now(), configuration)


def _set_first_template(server: DrsServer, entry: SourceServer) -> None:
    data = (entry.launch_template or LaunchTemplate()).with_defaults().data()
    server.settings.template.replace(TemplateVersion(1, data))


def _update_snapshots(server: DrsServer, entry: SourceServer) -> None:
    now = simulation.now()
    if "snapshot_retention" in entry.model_fields_set:
        rules = entry.snapshot_retention
        server.snapshots.retention = tuple((x.every_seconds, x.kept_seconds) for x in rules)
    if entry.snapshots_since is not None:
        server.snapshots.since = now - entry.snapshots_since.total_seconds()
    server.snapshots.gaps += tuple(
        SnapshotGap(
            now - each.from_ago.total_seconds(),
            now - each.to_ago.total_seconds(),
            0.0 if each.after_seconds is None else now + each.after_seconds / simulation.speed,
        )
        for each in entry.snapshot_gaps
    )


def _launch_from_console(backend: DRSBackend, source_server_id: str, *, is_drill: bool) -> None:
    try:
        backend.start_recovery([{"sourceServerID": source_server_id}], is_drill, {})
    except ServiceException as error:
        raise ScenarioError(f"{source_server_id}: {error.message}") from None


def _update_recovered(drs: DRSBackend, entry: SourceServer) -> None:
    given = entry.model_fields_set & RecoveredBehavior.model_fields.keys()
    changes = {key: getattr(entry, key) for key in given}
    if changes:
        backend = recovered_backends[drs.account_id][drs.region_name]
        earlier = backend.behavior(entry.source_server_id)
        backend.behaviors[entry.source_server_id] = earlier.model_copy(update=changes)
