"""What the steps of a wave get of the waves before it."""

from collections.abc import Mapping

from pydantic import JsonValue
from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from contract.steps import StepServer
    from recovery.execution.state import ExecutionState
    from recovery.plan.model import RecoveryPlan, Wave
    from recovery.steps.references import output_references_in, servers_named
    from recovery.steps.state import StepState


class StepInputs:
    """Keeps what steps returned, for the references of later steps."""

    def __init__(self, plan: RecoveryPlan, state: ExecutionState) -> None:
        self._plan = plan
        self._state = state
        # By `WAVE.STEP` and name; not masked.
        self._outputs: dict[str, dict[str, JsonValue]] = {}

    def add(self, wave_id: str, outputs: Mapping[str, dict[str, JsonValue]]) -> None:
        """Keep what steps of a wave returned, by StepId."""
        for step_id, values in outputs.items():
            self._outputs[f"{wave_id}.{step_id}"] = values

    def take_over(self, steps: Mapping[str, list[StepState]]) -> None:
        """Keep what an earlier execution recorded, by WaveId; what is secret is not known there."""
        for wave_id, states in steps.items():
            known = {state.step_id: state.known_outputs for state in states}
            self.add(wave_id, {step_id: values for step_id, values in known.items() if values})

    def outputs_of(self, wave: Wave) -> dict[str, dict[str, JsonValue]]:
        """What the references of a wave's steps name, and what its own steps returned."""
        paths = {
            f"{wave_id}.{step_id}"
            for _, step in wave.all_steps
            for reference in output_references_in(step.spec)
            for wave_id, step_id, _ in reference.candidates()
        }
        own = {f"{wave.wave_id}.{step.step_id}" for _, step in wave.all_steps}
        return {key: values for key, values in self._outputs.items() if key in paths | own}

    def secret_references_of(self, wave: Wave) -> list[str]:
        """The references of a wave's steps to secret outputs, as the plan writes them."""
        if not wave.all_steps:
            return []
        secret = {
            (each.wave_id, step.step_id, name)
            for each in self._plan.waves
            for _, step in each.all_steps
            for name, output in step.outputs.items()
            if output.secret
        }
        found = {
            str(each)
            for _, step in wave.all_steps
            for each in output_references_in(step.spec)
            if secret.intersection(each.candidates())
        }
        return sorted(found)

    def servers_of(self, wave: Wave) -> list[StepServer]:
        """The servers of other waves that its steps name."""
        named = {server_id for _, step in wave.all_steps for server_id in servers_named(step.spec)}
        found: list[StepServer] = []
        if not named:
            # Of a thousand waves, each would look at all others.
            return found
        for other in self._state.waves:
            if other.wave_id == wave.wave_id:
                continue
            for server in other.servers:
                if server.source_server_id in named:
                    target = self._plan.wave(other.wave_id).target
                    is_up = server.source_server_id in other.launched_ids
                    found.append(
                        StepServer(
                            source_server_id=server.source_server_id,
                            instance_id=server.recovery_instance_id if is_up else None,
                            name=other.server_names.get(server.source_server_id),
                            target=target,
                        )
                    )
        return found
