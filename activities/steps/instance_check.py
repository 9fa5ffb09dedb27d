"""Verifies with DRS that the instances of a call are its servers', so that a step acts on no other.

Whoever writes to the Temporal namespace could name any instance in a call.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from aws.targets import TargetClients
from contract.steps import StepCall, StepServer
from recovery.access.grants import AccessCode, AccessRefusedError
from recovery.execution.state import ExecutionType
from recovery.plan.model import Target
from recovery.steps.model import SsmCommand
from recovery.steps.references import servers_named


class InstanceCheck:
    """Looks up instances once each."""

    def __init__(self, clients: TargetClients) -> None:
        self._clients = clients
        # Server, instance, and whether it is a drill's; an instance never becomes another server's.
        self._verified: set[tuple[str, str, bool]] = set()

    async def require_own(self, call: StepCall) -> None:
        """Refuse a call with an instance that is not its server's, of its kind of execution.

        Raises:
            AccessRefusedError: DRS does not have it so.
            AwsError: DRS could not be asked.
        """
        spec, is_drill = call.step.spec, call.execution_type is ExecutionType.DRILL
        used = servers_named(spec)
        if isinstance(spec, SsmCommand) and spec.servers is None:
            used |= set(call.server_ids)
        by_target: dict[Target, list[StepServer]] = defaultdict(list)
        for server in call.servers:
            known = (server.source_server_id, server.instance_id or "", is_drill) in self._verified
            if server.instance_id and server.source_server_id in used and not known:
                by_target[server.target].append(server)
        looks = (self._look_up(t, servers, is_drill=is_drill) for t, servers in by_target.items())
        await asyncio.gather(*looks)

    async def _look_up(
        self, target: Target, servers: Sequence[StepServer], *, is_drill: bool
    ) -> None:
        ids = [each.source_server_id for each in servers]
        listed = await self._clients.drs(target).recovery_instances(ids)
        found = {
            (each.source_server_id, each.recovery_instance_id, each.is_drill is True)
            for each in listed
        }
        for server in servers:
            server_id, instance_id = server.source_server_id, server.instance_id or ""
            if (server_id, instance_id, is_drill) not in found:
                kind = ExecutionType.DRILL if is_drill else ExecutionType.RECOVERY
                raise AccessRefusedError(
                    AccessCode.OTHER_INSTANCE,
                    f"DRS does not have {instance_id} as an instance of {server_id} in a {kind}; "
                    "if it lists it so now, run the step again",
                )
            self._verified.add((server_id, instance_id, is_drill))
