"""Steers an execution from the live view: a key offers, a line asks, `y` sends."""

import textwrap
from collections.abc import Awaitable, Callable, Sequence

from temporalio.service import RPCError

from cli.live.hints import KEYS
from cli.live.keyboard import ENTER, ESCAPE, Keyboard, LineEditor
from cli.live.view import Watched
from cli.render.cells import list_within
from client.errors import UnreachableError
from client.steering import WITHOUT_WORKER
from recovery.execution.wave import WaveState
from recovery.operator.messages import MessageName, OperatorMessage
from recovery.operator.rules import Action, actions
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
        reason = await self._line(f"{about}: reason (Enter for none, Esc to leave)")
        if reason is None:
            return f"{about}: nothing was sent"
        return await self._confirm(action, wave, about, reason)

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
        self, action: Action, wave: WaveState | None, about: str, reason: str
    ) -> str:
        what = f"{action.effect} {wave.wave_name} ({wave.wave_id})" if wave else action.effect
        may_refuse = action.name is MessageName.APPROVE_WAVE
        refusal = ", r refuses it" if may_refuse else ""
        question = f"{what[0].upper()}{what[1:]}{f': {reason}' if reason else ''}."
        answer = await self._key(question, f"Send it? y/N{refusal}")
        refused = may_refuse and answer == "r"
        if answer != "y" and not refused:
            return f"{about}: nothing was sent"
        message = OperatorMessage(
            action.name, wave.wave_id if wave else None, reason, approve=not refused
        )
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
