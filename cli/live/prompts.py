"""Steers an execution from the live view: a key chooses an action, and `y` sends it."""

import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

from pydantic import JsonValue
from temporalio.service import RPCError

from cli.live.hints import KEYS, label
from cli.live.keyboard import ENTER, ERASE, ESCAPE, Keyboard
from cli.live.view import WatchedExecution
from cli.render.cells import packed
from client.errors import RefusedError, UnreachableError
from client.steering import WITHOUT_WORKER
from recovery.execution.wave import WaveState
from recovery.operator.effects import effect_text, skipped_with
from recovery.operator.messages import MessageName, OperatorMessage
from recovery.operator.pending_decisions import pending_decisions
from recovery.operator.rules import Action, actions, allowed_forms
from recovery.operator.step_rules import inputs_problem, typed_input
from recovery.steps.model import ManualInput
from recovery.steps.progress import input_text
from recovery.text_format import listed, timestamp

Send = Callable[[OperatorMessage], Awaitable[str | None]]
_DETACH = "q"
_ALL_WAVES = "w"
_MAX_LENGTH = 400
_MAX_OPTIONS = 100
# A result is about the state of that time, and the state above it changes.
_RESULT_SECONDS = 60.0


class _LeftError(Exception):
    """The operator left a question without an answer."""


class Prompts:
    """The prompts below the live view.

    Attributes:
        redraw: draws the view again after each key.
    """

    def __init__(self, watched: WatchedExecution, keys: Keyboard, send: Send) -> None:
        self._watched = watched
        self._keys = keys
        self._send = send
        self._question: list[str] = []
        self._typed: str | None = None
        self._result = ""
        self._result_time = 0.0
        self.redraw: Callable[[], None] = lambda: None

    def footer(self, width: int) -> Sequence[str]:
        """Return the open question; or the last action's result, and the available keys.

        `width` is of the screen, in cells.
        """
        if self._question:
            typed = [] if self._typed is None else [f"> {self._typed[-max(1, width - 4) :]}_"]
            return [*self._question, *typed]
        keys = [f"{KEYS[a.name]} {label(a.name)}" for a in self._actions()]
        pages = "next page" if self._watched.page else "all waves"
        lines = packed([*keys, f"{_ALL_WAVES} {pages}", f"{_DETACH} detach"], width)
        if self._result and time.time() - self._result_time < _RESULT_SECONDS:
            return [f"{timestamp(self._result_time)[11:19]} {self._result}", *lines]
        return lines

    async def run(self) -> None:
        """Run the actions that the operator chooses, until `q`."""
        while (key := await self._keys.key()) != _DETACH:
            if key == _ALL_WAVES:
                self._watched.page += 1
                self.redraw()
                continue
            action = next((a for a in self._actions() if KEYS[a.name] == key), None)
            result = f"The key {key if key.isprintable() else 'pressed'} does nothing now"
            if action is not None:
                result = await self._run_action(action)
            self._result, self._result_time = result, time.time()
            self._question = []
            self.redraw()

    def _actions(self) -> list[Action]:
        return [] if self._watched.state is None else actions(self._watched.state)

    async def _run_action(self, action: Action) -> str:
        """Ask for what a message needs, then for a confirmation, and send it.

        Returns:
            The result, for the footer.
        """
        subject = label(action.name)
        wave: WaveState | None = None
        try:
            if action.waves:
                waves = {each.wave_id: each for each in self._decisions_first(action.waves)}
                names = {wave_id: each.wave_name for wave_id, each in waves.items()}
                question = f"{subject[0].upper()}{subject[1:]} which wave?"
                wave = waves[await self._choose(question, "WaveId or WaveName", names)]
                subject += f" {wave.wave_name}"
            forms = self._forms(action, wave)
            if not forms:
                return f"{subject}: no longer possible; no message sent"
            message = OperatorMessage(action.name)
            if action.name.is_about_a_step and wave is not None:
                message = await self._choose_step(subject, wave, forms)
                subject += f", {message.step}"
            message = await self._fill_in(subject, forms, message)
            if wave is not None:
                message = replace(message, wave=wave.wave_id)
            if message.name is MessageName.SKIP_WAVE and wave is not None:
                message = await self._ask_cascade(subject, wave, message)
            state = self._watched.state
            effect = effect_text(action, state, wave, cascade=message.cascade, step=message.step)
            message = await self._confirm(effect, message, forms)
            self._show_question(f"{subject}: sending…")
            return f"{subject}: {await self._send(message) or WITHOUT_WORKER}"
        except _LeftError:
            return f"{subject}: no message sent"
        except (RefusedError, UnreachableError, RPCError) as error:
            return f"{subject}: NOT DONE: {error}"

    def _forms(self, action: Action, wave: WaveState | None) -> list[OperatorMessage]:
        state = self._watched.state
        if state is None:
            return [OperatorMessage(action.name)]
        return allowed_forms(state, action.name, wave)

    async def _fill_in(
        self, subject: str, forms: list[OperatorMessage], message: OperatorMessage
    ) -> OperatorMessage:
        """Ask for the launch, the job and the reason, as far as the message has them."""
        if message.name.is_launch_answer:
            launches = {form.launch or "": form.launch or "" for form in forms}
            launch = await self._choose(f"{subject}: which launch?", "LAUNCH_ID", launches)
            message = replace(message, launch=launch)
        if message.name is MessageName.ADOPT_JOB:
            job = await self._read_line(
                f"{subject}: the ID of the job, such as drsjob-… (Esc to go back)"
            )
            if not job:
                raise _LeftError
            message = replace(message, job=job)
        reason = await self._read_line(f"{subject}: reason (Enter for none, Esc to go back)")
        return replace(message, reason=reason)

    async def _choose_step(
        self, subject: str, wave: WaveState, forms: list[OperatorMessage]
    ) -> OperatorMessage:
        """Ask for the step, those under way first, and for what a manual one asks for."""
        allowed = {form.step for form in forms}
        first = [step.step_id for step in wave.steps_under_way]
        found = [step for step in wave.steps if step.step_id in allowed]
        found.sort(key=lambda step: step.step_id not in first)
        options = {step.step_id: f"{step.step_id} ({step.status})" for step in found}
        step_id = await self._choose(f"{subject}: which step?", "StepId", options)
        message = replace(forms[0], step=step_id)
        step = next(step for step in found if step.step_id == step_id)
        if message.name is not MessageName.COMPLETE_STEP or step.manual is None:
            return message
        outputs: dict[str, JsonValue] = {}
        for asked in step.manual.inputs:
            value = await self._read_input(f"{subject}, {step_id}", asked)
            if value is not None:
                outputs[asked.name] = value
        return replace(message, outputs=outputs or None)

    async def _read_input(self, subject: str, asked: ManualInput) -> JsonValue:
        """Ask for an input until it is valid; None if it may be left out and was."""
        enter = "Esc to go back" if asked.required else "Enter for none, Esc to go back"
        problem: list[str] = []
        while True:
            question = f"{subject}: {input_text(asked)} ({enter})"
            answer = await self._read_line(*problem, question)
            if not answer and not asked.required:
                return None
            value = typed_input(answer, asked.type)
            if not (refused := inputs_problem([asked], {asked.name: value})):
                return value
            problem = [f"{answer!r}: {refused}"]

    async def _ask_cascade(
        self, subject: str, wave: WaveState, message: OperatorMessage
    ) -> OperatorMessage:
        """Ask whether the waves that depend on a skipped one are skipped too.

        Raises:
            _LeftError: the operator chose neither.
        """
        state = self._watched.state
        if state is None or len(skipped_with(state, wave)) == 1:
            return message
        options = {"wave": "this wave only", "all": "also the waves that depend on it"}
        answer = await self._choose(f"{subject}: what is skipped?", "wave, all", options)
        return replace(message, cascade=answer == "all")

    def _decisions_first(self, waves: Sequence[WaveState]) -> list[WaveState]:
        state = self._watched.state
        pending = pending_decisions(state) if state is not None else []
        ids = {each.wave.wave_id for each in pending if each.wave is not None}
        return sorted(waves, key=lambda wave: wave.wave_id not in ids)

    async def _choose(self, question: str, id_name: str, options: Mapping[str, str]) -> str:
        """Ask for one of several options, whose names are shown by their IDs.

        Raises:
            _LeftError: the operator chose none.
        """
        if len(options) == 1:
            return next(iter(options))
        names = [f"{number} {name}" for number, name in enumerate(options.values(), start=1)]
        problem = ""
        while answer := await self._read_line(
            f"{problem}{question} Type its number or {id_name} (Esc to go back).",
            listed(names, shown=_MAX_OPTIONS),
        ):
            found = [
                each
                for number, (each, name) in enumerate(options.items(), start=1)
                if answer.casefold() in (str(number), each.casefold(), name.casefold())
            ]
            if answer in found or len(found) == 1:
                return answer if answer in found else found[0]
            problem = f"{answer!r} is {'several' if found else 'none'} of them. "
        raise _LeftError

    async def _confirm(
        self, effect: str, message: OperatorMessage, forms: list[OperatorMessage]
    ) -> OperatorMessage:
        """Ask for a confirmation, or for the refusal of an approval.

        Returns:
            The message to send.

        Raises:
            _LeftError: the operator did not confirm it.
        """
        effect += f", launch {message.launch}" if message.launch else ""
        effect += f", job {message.job}" if message.job else ""
        effect += f", outputs {json.dumps(message.outputs)}" if message.outputs else ""
        reason = f" Reason: {message.reason}." if message.reason else ""
        keys = {"y" if form.approve else "r": form.approve for form in forms}
        choices = {"y": "y/N", "r": "r refuses it"}
        self._keys.discard_pending()
        self._show_question(
            f"{effect[0].upper()}{effect[1:]}.{reason}",
            f"Send it? {', '.join(choices[key] for key in keys)}",
        )
        answer = (await self._keys.key()).lower()
        if answer not in keys:
            raise _LeftError
        return replace(message, approve=keys[answer])

    async def _read_line(self, *question: str) -> str:
        """Read a typed line below the lines of a question.

        Raises:
            _LeftError: the operator pressed Escape.
        """
        self._typed = ""
        try:
            while True:
                self._show_question(*question)
                key = await self._keys.key()
                if key == ENTER:
                    return self._typed.strip()
                if key == ESCAPE:
                    raise _LeftError
                if key in ERASE:
                    self._typed = self._typed[:-1]
                elif key.isprintable() and len(self._typed) < _MAX_LENGTH:
                    self._typed += key
        finally:
            self._typed = None

    def _show_question(self, *lines: str) -> None:
        self._question = list(lines)
        self.redraw()
