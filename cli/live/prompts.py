"""Steers an execution from the live view: a key offers, a line asks, `y` sends."""

import textwrap
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from temporalio.service import RPCError

from cli.live.hints import KEYS
from cli.live.keyboard import ENTER, ESCAPE, Keyboard, LineEditor
from cli.live.view import Watched
from cli.render.cells import list_within
from client.errors import UnreachableError
from client.steering import WITHOUT_WORKER
from recovery.execution.wave import WaveState
from recovery.operator.messages import MessageName, OperatorMessage
from recovery.operator.rules import Action, actions, allowed_forms
from runtime.exit import CliError

Send = Callable[[OperatorMessage], Awaitable[str | None]]
_QUIT = "q"
_WIDTH = 80


class Prompts:
    """What is asked below the live view.

    Attributes:
        redraw: draws the view anew after each key.
    """

    def __init__(self, watched: Watched, keys: Keyboard, send: Send) -> None:
        self._watched = watched
        self._keys = keys
        self._send = send
        self._asked: list[str] = []
        self._told = ""
        self.redraw: Callable[[], None] = lambda: None

    def footer(self) -> Sequence[str]:
        """The question that is open; or what the last one did, and the keys there are."""
        if self._asked:
            return self._asked
        offered = [f"{KEYS[a.name]} {_word(a.name)}" for a in self._actions()]
        keys = " · ".join([*offered, f"{_QUIT} detach"])
        return [*textwrap.wrap(self._told, _WIDTH), keys]

    async def run(self) -> None:
        """Offer what can be done, until `q`."""
        while (key := await self._keys.key()) != _QUIT:
            action = next((a for a in self._actions() if KEYS[a.name] == key), None)
            self._told = "" if action else f"{key!r} does nothing now"
            if action is not None:
                self._told = await self._offer(action)
            self._asked = []
            self.redraw()

    def _actions(self) -> list[Action]:
        return [] if self._watched.state is None else actions(self._watched.state)

    async def _offer(self, action: Action) -> str:
        """Ask for what a message needs, then for a yes.

        Returns:
            What came of it.
        """
        word = _word(action.name)
        wave: WaveState | None = None
        if action.waves:
            wave = await self._choose(action)
            if wave is None:
                return f"{word}: nothing was sent"
        about = f"{word} {wave.wave_name}" if wave else word
        forms = self._forms(action, wave)
        if not forms:
            return f"{about}: not possible any more; nothing was sent"
        job = launch = None
        if action.name.answers_a_launch:
            launch = await self._choose_launch(about, forms)
            if launch is None:
                return f"{about}: nothing was sent"
        if action.name is MessageName.ADOPT_JOB:
            job = await self._line(f"{about}: the job's ID, such as drsjob-… (Esc to leave)")
            if not job:
                return f"{about}: nothing was sent"
        reason = await self._line(f"{about}: reason (Enter for none, Esc to leave)")
        if reason is None:
            return f"{about}: nothing was sent"
        message = OperatorMessage(
            action.name, wave.wave_id if wave else None, reason, job=job, launch=launch
        )
        return await self._confirm(action, wave, about, message, [f.approve for f in forms])

    def _forms(self, action: Action, wave: WaveState | None) -> list[OperatorMessage]:
        state = self._watched.state
        if state is None or wave is None:
            return [OperatorMessage(action.name)]
        return allowed_forms(state, action.name, wave)

    async def _choose_launch(self, about: str, forms: list[OperatorMessage]) -> str | None:
        """Which of the launches in doubt an answer is for; None to leave it."""
        launches = [form.launch or "" for form in forms]
        if len(launches) == 1:
            return launches[0]
        numbered = [f"{n} {launch}" for n, launch in enumerate(launches, start=1)]
        question = list_within(numbered, _WIDTH, start=f"{about}: which launch? ")
        answer = await self._line(f"{question}  (number or launch ID)")
        for number, launch in enumerate(launches, start=1):
            if answer in (str(number), launch):
                return launch
        return None

    async def _choose(self, action: Action) -> WaveState | None:
        if len(action.waves) == 1:
            return action.waves[0]
        names = [f"{n} {wave.wave_name}" for n, wave in enumerate(action.waves, start=1)]
        question = list_within(names, _WIDTH, start=f"{_word(action.name)} which? ")
        answer = await self._line(f"{question}  (number or WaveId)")
        for number, wave in enumerate(action.waves, start=1):
            if answer in (str(number), wave.wave_id):
                return wave
        return None

    async def _confirm(
        self,
        action: Action,
        wave: WaveState | None,
        about: str,
        message: OperatorMessage,
        answers: Sequence[bool],
    ) -> str:
        """Ask for a yes, or for an approval's other answer, and send the message.

        Args:
            action: what is sent.
            wave: the wave that it is about.
            about: the same in short.
            message: the message, if the answer is yes.
            answers: of an approval, which answers are allowed: to approve, to refuse.
        """
        what = f"{action.effect} {wave.wave_name} ({wave.wave_id})" if wave else action.effect
        what += f", launch {message.launch}" if message.launch else ""
        what += f", job {message.job}" if message.job else ""
        reason = f": {message.reason}" if message.reason else ""
        keys = {"y": True} if True in answers else {}
        if False in answers:
            keys["r"] = False
        choices = {"y": "y/N", "r": "r refuses it"}
        question = f"{what[0].upper()}{what[1:]}{reason}."
        answer = await self._key(question, f"Send it? {', '.join(choices[key] for key in keys)}")
        if answer not in keys:
            return f"{about}: nothing was sent"
        message = replace(message, approve=keys[answer])
        self._ask(f"{about}: sending…")
        try:
            return f"{about}: {await self._send(message) or WITHOUT_WORKER}"
        except (CliError, UnreachableError, RPCError) as error:
            return f"{about}: NOT DONE: {error}"

    async def _key(self, *lines: str) -> str:
        self._keys.forget()
        self._ask(*lines)
        return (await self._keys.key()).lower()

    async def _line(self, question: str) -> str | None:
        """A line that is typed; None for Escape."""
        typed = LineEditor()
        while True:
            self._ask(question, f"> {typed.text[-(_WIDTH - 4) :]}_")
            key = await self._keys.key()
            if key == ENTER:
                return typed.text.strip()
            if key == ESCAPE:
                return None
            typed.take(key)

    def _ask(self, *lines: str) -> None:
        self._asked = list(lines)
        self.redraw()


def _word(name: MessageName) -> str:
    return name.removesuffix("_wave").replace("_", " ")
