"""The decisions of operators that stand in an execution."""

from collections.abc import Iterator

from recovery.execution.state import ExecutionState
from recovery.execution.wave import OperatorDecision, WaveState
from recovery.report.model import DecisionAct, ReportedDecision

_WORDS = {
    DecisionAct.APPROVED_RECOVERY: "approved",
    DecisionAct.REFUSED_RECOVERY: "refused",
    DecisionAct.SKIPPED_WAVE: "skipped",
    DecisionAct.ACCEPTED_WAVE: "accepted",
    DecisionAct.APPROVED_WAVE: "approved",
    DecisionAct.REFUSED_WAVE: "refused",
}


def decisions_of(state: ExecutionState) -> list[ReportedDecision]:
    """Those about the execution, its waves and its steps, in this order."""
    found = [_about(DecisionAct.APPROVED_RECOVERY, "", each) for each in state.approvals]
    if state.refused_by is not None:
        found.append(_about(DecisionAct.REFUSED_RECOVERY, "", state.refused_by))
    for wave in state.waves:
        found += [*_about_wave(wave), *_about_steps(state, wave)]
    return found


def _about_wave(wave: WaveState) -> Iterator[ReportedDecision]:
    decisions = wave.decisions
    for act, decision in (
        (DecisionAct.SKIPPED_WAVE, decisions.skipped_by),
        (DecisionAct.ACCEPTED_WAVE, decisions.accepted_by),
        (DecisionAct.APPROVED_WAVE, decisions.approved_by),
        (DecisionAct.REFUSED_WAVE, decisions.refused_by),
    ):
        if decision is not None:
            yield _about(act, wave.wave_name, decision)


def _about(act: DecisionAct, subject: str, decision: OperatorDecision) -> ReportedDecision:
    return ReportedDecision(
        act=act,
        subject=subject,
        actor=decision.actor,
        time=decision.time,
        reason=decision.reason,
        text="approval passed by break-glass" if decision.break_glass else _WORDS[act],
        expires=decision.expires,
        break_glass=decision.break_glass,
    )


def _about_steps(state: ExecutionState, wave: WaveState) -> Iterator[ReportedDecision]:
    for step in wave.steps:
        if step.decision is None or step.actor is None:
            continue
        about = (wave.wave_id, step.step_id)
        sent = [m for m in state.messages if m.accepted and (m.wave_id, m.step_id) == about]
        yield ReportedDecision(
            act=DecisionAct.DECIDED_STEP,
            subject=f"{wave.wave_name} / {step.step_id}",
            actor=step.actor,
            time=sent[-1].time if sent else None,
            reason=sent[-1].reason if sent else "",
            text=step.decision.text,
        )
