"""The wave graph: which waves may start, what depends on what, and the critical path.

It knows wave IDs only. All traversals are loops, so that a chain of 1,000 waves does not reach
Python's recursion limit. No result is ordered by iterating a set, so that a workflow's replay gets
the same order.
"""

import heapq
from collections import deque
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class CriticalPath:
    """The chain of waves that decides how long the plan takes.

    Attributes:
        waves: The chain's wave IDs, first to last; empty for a plan without waves.
        seconds: The sum of their durations.
    """

    waves: tuple[str, ...]
    seconds: float


class WaveGraph:
    """Waves and their dependencies, in the order of the plan file.

    Methods that follow the dependencies raise ValueError if these have a cycle. Methods that take
    `durations`, the seconds of each wave, raise KeyError if a wave has none.
    """

    def __init__(self, dependencies: Mapping[str, Sequence[str]]) -> None:
        """Build the graph.

        Args:
            dependencies: For each wave ID, the IDs of the waves it waits for. The order of
                the keys is the order of the file; repeated dependencies count once.

        Raises:
            ValueError: A dependency names a wave that is not a key.
        """
        self._dependencies: dict[str, tuple[str, ...]] = {}
        dependents: dict[str, list[str]] = {wave: [] for wave in dependencies}
        for wave, needed in dependencies.items():
            self._dependencies[wave] = tuple(dict.fromkeys(needed))
            for dependency in self._dependencies[wave]:
                if dependency not in dependents:
                    raise ValueError(f"wave {wave} depends on {dependency}, which is not a wave")
                dependents[dependency].append(wave)
        self._dependents = {wave: tuple(waiting) for wave, waiting in dependents.items()}
        self._position = {wave: position for position, wave in enumerate(self._dependencies)}
        self._order: tuple[str, ...] | None = None
        self._upstream: dict[str, int] = {}

    @property
    def waves(self) -> tuple[str, ...]:
        """All wave IDs, in the order of the file."""
        return tuple(self._dependencies)

    def dependencies_of(self, wave: str) -> tuple[str, ...]:
        """Return the waves that this wave waits for directly."""
        return self._dependencies[wave]

    def dependents_of(self, wave: str) -> tuple[str, ...]:
        """Return the waves that wait for this wave directly."""
        return self._dependents[wave]

    def downstream_of(self, wave: str) -> tuple[str, ...]:
        """Return every wave that waits for this one, directly or not, in dependency order."""
        reached = self._reach(wave)
        return tuple(other for other in self.order() if other in reached and other != wave)

    def is_before(self, wave: str, other: str) -> bool:
        """Whether the other wave waits for this one, directly or not."""
        if not self._upstream:
            # A bit for each wave: sets of a thousand waves would take seconds.
            for each in self.order():
                bits = 0
                for needed in self._dependencies[each]:
                    bits |= self._upstream[needed] | 1 << self._position[needed]
                self._upstream[each] = bits
        return bool(self._upstream[other] >> self._position[wave] & 1)

    def cycles(self) -> tuple[tuple[str, ...], ...]:
        """Find waves that wait for each other.

        Returns:
            One cycle for each strongly connected component, in the order of the file. Each
            wave of a cycle depends on the next one, and the last on the first. A cycle
            starts at the component's first wave in the file, and is a shortest one through it.
        """
        return tuple(self._cycle_through(component) for component in self._cyclic_components())

    def order(self) -> tuple[str, ...]:
        """Return all waves, each after its dependencies, otherwise in the order of the file."""
        if self._order is None:
            self._order = self._sorted()
        return self._order

    def levels(self) -> tuple[tuple[str, ...], ...]:
        """Group the waves by the length of the longest chain of dependencies above them.

        For display only: a wave starts when its own dependencies are complete, not when the
        level above it is.
        """
        level: dict[str, int] = {}
        for wave in self.order():
            level[wave] = 1 + max((level[needed] for needed in self._dependencies[wave]), default=0)
        groups: list[list[str]] = [[] for _ in range(max(level.values(), default=0))]
        for wave in self._dependencies:
            groups[level[wave] - 1].append(wave)
        return tuple(tuple(group) for group in groups)

    def remaining(self, durations: Mapping[str, float]) -> dict[str, float]:
        """Return for each wave the seconds of the longest chain that starts with it."""
        longest: dict[str, float] = {}
        for wave in reversed(self.order()):
            after = max((longest[dependent] for dependent in self._dependents[wave]), default=0.0)
            longest[wave] = durations[wave] + after
        return {wave: longest[wave] for wave in self._dependencies}

    def critical_path(self, durations: Mapping[str, float]) -> CriticalPath:
        """Return the longest chain of waves.

        Of equally long chains the one whose waves come first by ID is taken, so that the
        order of the file does not change the answer.
        """
        longest = self.remaining(durations)

        def slowest(waves: Iterable[str]) -> str | None:
            return min(waves, key=lambda wave: (-longest[wave], wave), default=None)

        path: list[str] = []
        step = slowest(wave for wave, needed in self._dependencies.items() if not needed)
        seconds = 0.0 if step is None else longest[step]
        while step is not None:
            path.append(step)
            step = slowest(self._dependents[step])
        return CriticalPath(tuple(path), seconds)

    def schedule(self, durations: Mapping[str, float]) -> dict[str, tuple[float, float]]:
        """Return when each wave starts and ends if it waits for its dependencies only.

        Both are in seconds after the start of the plan.
        """
        times: dict[str, tuple[float, float]] = {}
        for wave in self.order():
            start = max((times[needed][1] for needed in self._dependencies[wave]), default=0.0)
            times[wave] = (start, start + durations[wave])
        return {wave: times[wave] for wave in self._dependencies}

    def _sorted(self) -> tuple[str, ...]:
        waiting_for = {wave: len(needed) for wave, needed in self._dependencies.items()}
        free = [self._position[wave] for wave, count in waiting_for.items() if count == 0]
        waves = self.waves
        order: list[str] = []
        while free:
            wave = waves[heapq.heappop(free)]
            order.append(wave)
            for dependent in self._dependents[wave]:
                waiting_for[dependent] -= 1
                if waiting_for[dependent] == 0:
                    heapq.heappush(free, self._position[dependent])
        if len(order) < len(waves):
            cycle = self.cycles()[0]
            raise ValueError(f"waves wait for each other: {' -> '.join((*cycle, cycle[0]))}")
        return tuple(order)

    def _reach(self, wave: str, *, without: Container[str] = ()) -> set[str]:
        """Return the wave and those that wait for it, directly or not, except through `without`."""
        reached = {wave}
        pending = [wave]
        while pending:
            for dependent in self._dependents[pending.pop()]:
                if dependent not in reached and dependent not in without:
                    reached.add(dependent)
                    pending.append(dependent)
        return reached

    def _cyclic_components(self) -> list[set[str]]:
        """Return the strongly connected components that hold a cycle, in the order of the file.

        Kosaraju's algorithm, as in Sharir (1981).
        """
        components = []
        done: set[str] = set()
        for wave in reversed(self._postorder()):
            if wave in done:
                continue
            component = self._reach(wave, without=done)
            done |= component
            if len(component) > 1 or wave in self._dependencies[wave]:
                components.append(component)
        return sorted(
            components, key=lambda component: min(self._position[wave] for wave in component)
        )

    def _postorder(self) -> list[str]:
        """Return all waves in the order in which a depth-first search leaves them."""
        entered: set[str] = set()
        order: list[str] = []
        pending = [(wave, False) for wave in self._dependencies]
        while pending:
            wave, is_left = pending.pop()
            if is_left:
                order.append(wave)
            elif wave not in entered:
                entered.add(wave)
                pending.append((wave, True))
                pending += [(needed, False) for needed in self._dependencies[wave]]
        return order

    def _cycle_through(self, component: set[str]) -> tuple[str, ...]:
        """Return a shortest cycle through the first wave of a strongly connected component."""
        first = min(component, key=self._position.__getitem__)
        reached_from: dict[str, str] = {}
        pending = deque([first])
        while first not in reached_from:
            wave = pending.popleft()
            for needed in self._dependencies[wave]:
                if needed in component and needed not in reached_from:
                    reached_from[needed] = wave
                    pending.append(needed)
        cycle = [reached_from[first]]
        while cycle[-1] != first:
            cycle.append(reached_from[cycle[-1]])
        return tuple(reversed(cycle))
