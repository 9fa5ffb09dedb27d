"""Steers an execution from the live view: a key chooses an action, and `y` sends it."""

import textwrap
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from temporalio.service import RPCError

from cli.live.hints import KEYS
from cli.live.keyboard import ENTER, ESCAPE, Keyboard, LineEditor
from cli.live.view import WatchedExecution
from cli.render.cells import list_within
from client.errors import UnreachableError
from client.steering import WITHOUT_WORKER
from recovery.execution.wave import WaveState
from recovery.operator.messages import MessageName, OperatorMessage
from recovery.operator.rules import Action, actions, allowed_forms
from runtime.exit import CliError

Send = Callable[[OperatorMessage], Awaitable[str | None]]
_DETACH = "q"
_WIDTH = 80


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
        self._result = ""
        self.redraw: Callable[[], None] = lambda: None

    def footer(self) -> Sequence[str]:
        """Return the open question; or the last action's result, and the available keys."""
        if self._question:
            return self._question
        labels = [f"{KEYS[a.name]} {_label(a.name)}" for a in self._actions()]
        keys = " · ".join([*labels, f"{_DETACH} detach"])
        return [*textwrap.wrap(self._result, _WIDTH), keys]

    async def run(self) -> None:
        """Run the actions that the operator chooses, until `q`."""
        while (key := await self._keys.key()) != _DETACH:
            action = next((a for a in self._actions() if KEYS[a.name] == key), None)
            self._result = "" if action else f"{key!r} does nothing now"
            if action is not None:
                self._result = await self._run_action(action)
            self._question = []
            self.redraw()

    def _actions(self) -> list[Action]:
        return [] if self._watched.state is None else actions(self._watched.state)

    async def _run_action(self, action: Action) -> str:
        """Ask for what a message needs, then for a confirmation.

        Returns:
            The result, for the footer.
        """
        label = _label(action.name)
        wave: WaveState | None = None
        if action.waves:
            wave = await self._choose_wave(action)
            if wave is None:
                return f"{label}: nothing was sent"
        subject = f"{label} {wave.wave_name}" if wave else label
        forms = self._forms(action, wave)
        if not forms:
            return f"{subject}: not possible any more; nothing was sent"
        job = launch = None
        if action.name.is_launch_answer:
            launch = await self._choose_launch(subject, forms)
            if launch is None:
                return f"{subject}: nothing was sent"
        if action.name is MessageName.ADOPT_JOB:
            job = await self._read_line(f"{subject}: the job's ID, such as drsjob-… (Esc to leave)")
            if not job:
                return f"{subject}: nothing was sent"
        reason = await self._read_line(f"{subject}: reason (Enter for none, Esc to leave)")
        if reason is None:
            return f"{subject}: nothing was sent"
        message = OperatorMessage(
            action.name, wave.wave_id if wave else None, reason, job=job, launch=launch
        )
        return await self._confirm(action, wave, subject, message, [f.approve for f in forms])

    def _forms(self, action: Action, wave: WaveState | None) -> list[OperatorMessage]:
        state = self._watched.state
        if state is None or wave is None:
            return [OperatorMessage(action.name)]
        return allowed_forms(state, action.name, wave)

    async def _choose_launch(self, subject: str, forms: list[OperatorMessage]) -> str | None:
        """Ask for one of the launches in doubt; None if the operator chooses none."""
        launches = [form.launch or "" for form in forms]
        if len(launches) == 1:
            return launches[0]
        options = [f"{n} {launch}" for n, launch in enumerate(launches, start=1)]
        question = list_within(options, _WIDTH, start=f"{subject}: which launch? ")
        answer = await self._read_line(f"{question}  (number or launch ID)")
        for number, launch in enumerate(launches, start=1):
            if answer in (str(number), launch):
                return launch
        return None

    async def _choose_wave(self, action: Action) -> WaveState | None:
        if len(action.waves) == 1:
            return action.waves[0]
        names = [f"{n} {wave.wave_name}" for n, wave in enumerate(action.waves, start=1)]
        question = list_within(names, _WIDTH, start=f"{_label(action.name)} which? ")
        answer = await self._read_line(f"{question}  (number or WaveId)")
        for number, wave in enumerate(action.waves, start=1):
            if answer in (str(number), wave.wave_id):
                return wave
        return None

    async def _confirm(
        self,
        action: Action,
        wave: WaveState | None,
        subject: str,
        message: OperatorMessage,
        answers: Sequence[bool],
    ) -> str:
        """Ask for a confirmation, or for the refusal of an approval, and send the message.

        Args:
            action: the action.
            wave: the wave that it is about, if any.
            subject: the action and its wave in short.
            message: the message to send on `y`.
            answers: the allowed values of `approve`: True to approve, False to refuse.
        """
        effect = f"{action.effect} {wave.wave_name} ({wave.wave_id})" if wave else action.effect
        effect += f", launch {message.launch}" if message.launch else ""
        effect += f", job {message.job}" if message.job else ""
        reason = f": {message.reason}" if message.reason else ""
        keys = {"y": True} if True in answers else {}
        if False in answers:
            keys["r"] = False
        choices = {"y": "y/N", "r": "r refuses it"}
        question = f"{effect[0].upper()}{effect[1:]}{reason}."
        answer = await self._read_key(
            question, f"Send it? {', '.join(choices[key] for key in keys)}"
        )
        if answer not in keys:
            return f"{subject}: nothing was sent"
        message = replace(message, approve=keys[answer])
        self._show_question(f"{subject}: sending…")
        try:
            return f"{subject}: {await self._send(message) or WITHOUT_WORKER}"
        except (CliError, UnreachableError, RPCError) as error:
            return f"{subject}: NOT DONE: {error}"

    async def _read_key(self, *lines: str) -> str:
        self._keys.discard_pending()
        self._show_question(*lines)
        return (await self._keys.key()).lower()

    async def _read_line(self, question: str) -> str | None:
        """Read a typed line; None for Escape."""
        typed = LineEditor()
        while True:
            self._show_question(question, f"> {typed.text[-(_WIDTH - 4) :]}_")
            key = await self._keys.key()
            if key == ENTER:
                return typed.text.strip()
            if key == ESCAPE:
                return None
            typed.apply(key)

    def _show_question(self, *lines: str) -> None:
        self._question = list(lines)
        self.redraw()


def _label(name: MessageName) -> str:
    return name.removesuffix("_wave").replace("_", " ")
