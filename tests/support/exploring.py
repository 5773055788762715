"""A controlled scheduler: every interleaving of a small concurrent program, run for real, one thread at a time.

The threads of a *scenario* are greenlets. Whatever they share is instrumented (``instrumented.py``): before each access
to it, and before each operation of a lock, a queue or a thread, the thread *announces* the operation and the scheduler
decides who goes on. So an execution is a list of choices, and any execution can be run again from its choices.

:func:`explore` goes through all of them depth first, each execution from the beginning. What is left out loses nothing:

- *State caching.* Two executions are in the same state when all shared memory has the same values and each thread has
  observed the same values since its last :meth:`World.checkpoint` (a place at which the rest of the thread depends on
  the given local values only). From the same state the same follows, so it is explored once. Memory and observations
  are told apart by 64-bit hashes: among a million states two share one by chance with a probability of 1 : 30 million.
- *Sleep sets* (Godefroid, "Partial-Order Methods for the Verification of Concurrent Systems", 1996, chapter 5, with his
  rule for a state that is reached again). Of two independent operations only one order is run. Every state is still
  reached, so that every standstill and every broken assertion is.
- *Own counters.* A thread's reading of what only it ever writes is no choice: nobody can tell when it happens. That
  nobody else writes it is checked in every execution.
- A mutex's release at the end of a ``with`` block is no choice: whoever waits for it cannot have moved before.

With ``preemptions=n`` only the executions are explored in which a thread that could go on is overtaken at most *n*
times (threads that block may be followed by any other); then without sleep sets, whose shortcuts may cost preemptions.

:func:`sample` is for what that is too much of: executions at random, each with a number of preemptions at steps that
are drawn beforehand (after Burckhardt et al., "A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs",
2010: a bug that needs *d* of them among *k* steps is met with a chance of at least one in about k to the d-th).
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from greenlet import GreenletExit, getcurrent, greenlet

sys.setrecursionlimit(max(sys.getrecursionlimit(), 5000))


class Broken(AssertionError):
    """An invariant does not hold in some execution; the message has the execution."""


class Thread:
    """One thread of a scenario and the operation that it has announced."""

    __slots__ = ("done", "greenlet", "history", "index", "local", "name", "ready", "run", "var", "writes")

    def __init__(self, index: int, name: str, run: Callable[[], None], local: Callable[[], Any] | None) -> None:
        self.index = index
        self.name = name
        self.run = run
        self.local = local
        self.greenlet: greenlet | None = None
        self.var = -1 - index  # its start: nobody else's
        self.writes = False
        self.ready: Callable[[], bool] | None = None
        self.history = 0
        self.done = False


@dataclass
class Found:
    """What was explored: executions run, different states, operations carried out, processor seconds."""

    executions: int = 0
    states: int = 0
    operations: int = 0
    seconds: float = 0.0
    complete: bool = True
    ends: set[Any] = field(default_factory=set)

    def __str__(self) -> str:
        whole = "all" if self.complete else "NOT all"
        return (
            f"{self.executions} schedules, {self.states} states, {self.operations} steps, {whole}, {self.seconds:.1f} s"
        )


@dataclass(slots=True, eq=False)
class _Node:
    """A choice: who was enabled with which operation, who sleeps, who is still to be tried, and who is tried now."""

    operations: dict[int, tuple[int, bool]]
    sleep: set[int]
    todo: list[int]
    now: int
    last: int
    used: int


class World:
    """One execution: its threads, its memory (as hashes), and the choices so far."""

    def __init__(self, explorer: _Explorer, *, tracing: bool = False) -> None:
        self._explorer = explorer
        self.threads: list[Thread] = []
        self.current: Thread | None = None
        self.dying = False
        self.memory = 0
        self.operations = 0
        self.problem: BaseException | None = None
        self.values: dict[int, Any] = {}
        self.owners: dict[int, Thread] = {}
        self.ids: dict[int, int] = {}
        self.kept: list[Any] = []
        self.names: dict[int, str] = {}
        self.inside: set[int] = set()  # bells whose ``wait`` goes on
        self.joins = False  # whether threads wait for the end of others
        self.tracing = tracing
        self.trace: list[str] = []
        self._hub = getcurrent()
        self._next = -1
        self._depth = 0

    # ---------------------------------------------------------------- what a scenario uses

    def thread(
        self, name: str, run: Callable[[], None], *, local: Callable[[], Any] | None = None, start: bool = True
    ) -> Thread:
        """A new thread; it can run from now on, or from :meth:`start` on.

        *local*: what it knows beside shared memory, at the places at which the runtime's own methods make checkpoints
        (``instrumented.py``). Without it there are none.
        """
        made = Thread(len(self.threads), name, run, local)
        self.threads.append(made)
        if start:
            self.start(made)
        return made

    def start(self, thread: Thread) -> None:
        thread.greenlet = greenlet(self._body(thread), parent=self._hub)

    def checkpoint(self, *local: Any) -> None:
        """The rest of the present thread depends on shared memory and *local* only."""
        if self.current is not None:
            self.current.history = hash((7, *[self.canonical(one) for one in local]))

    def passed(self, place: str, *more: Any) -> None:
        """A checkpoint at a place in the runtime's own code, where the present thread says what it knows."""
        me = self.current
        if me is not None and me.local is not None and not self.dying:
            self.checkpoint(place, *more, me.local())

    def var(self, owner: object, number: int = 0, name: str = "") -> int:
        """The number of a shared variable: the *number*-th of *owner*, which is kept alive."""
        index = self.ids.get(id(owner))
        if index is None:
            index = self.ids[id(owner)] = len(self.ids) + 1
            self.kept.append(owner)
        found = 64 * index + number
        if self.tracing and found not in self.names:
            self.names[found] = f"{type(owner).__name__}{index}.{name or number}"
        return found

    def read(self, var: int, value: Callable[[], Any]) -> Any:
        """A read of *var* by the present thread."""
        me = self.current
        if me is None or self.dying:
            return value()
        if self.owners.get(var) is not me:
            self.point(var, False)
        got = value()
        if self.dying:
            return got
        me.history = hash((me.history, var, self.canonical(got)))
        return got

    def write(self, var: int, value: Any, do: Callable[[], None], *, own: bool = False) -> None:
        """A write of *value* to *var*. *own*: only one thread ever writes it."""
        me = self.current
        if me is not None and not self.dying:
            self.point(var, True)
            if own and self.owners.setdefault(var, me) is not me:
                self.broken(f"{self.names.get(var, var)} is written by {me.name}, too")
        do()
        self.put(var, self.canonical(value))

    def local(self, var: int, value: Any) -> None:
        """A write of what only one thread uses: no choice, but a part of the state."""
        me = self.current
        if me is not None and not self.dying and self.owners.setdefault(var, me) is not me:
            self.broken(f"{self.names.get(var, var)} is used by {me.name}, too")
        self.put(var, self.canonical(value))

    def broken(self, what: str) -> None:
        """End the execution: the threads' own handling of errors must not hide it."""
        self.problem = Broken(what)
        self._next = -1
        self._hub.switch()
        raise GreenletExit

    def put(self, var: int, value: int) -> None:
        """*var* has the canonical *value* now."""
        old = self.values.get(var)
        if old is not None:
            self.memory ^= hash((var, old))
        self.values[var] = value
        self.memory ^= hash((var, value))

    def observe(self, value: Any) -> None:
        """The present thread has learnt *value*."""
        if self.current is not None:
            self.current.history = hash((self.current.history, self.canonical(value)))

    def canonical(self, value: Any) -> int:
        """A number for a value, the same in every execution."""
        if isinstance(value, int):
            return int(value)
        if value is None:
            return 1 << 40
        if isinstance(value, (tuple, list, frozenset)):
            return hash((3, *[self.canonical(one) for one in value]))
        if isinstance(value, str):
            return self._explorer.word(value)
        found = self.ids.get(id(value))
        return found + (1 << 41) if found is not None else self._explorer.word(repr(value))

    def point(self, var: int, writes: bool, ready: Callable[[], bool] | None = None) -> None:
        """Announce an operation; returns when it is to be carried out. *ready*: when it can be, None for always."""
        me = self.current
        assert me is not None
        me.var, me.writes, me.ready = var, writes, ready
        chosen = self._choose()
        if chosen != me.index:
            if chosen < 0:
                self._next = -1
                self._hub.switch()
            else:
                self.current = self.threads[chosen]
                self.current.greenlet.switch()  # type: ignore[union-attr]
        if self.dying:
            raise GreenletExit
        me.history = hash((me.history, var))

    # ---------------------------------------------------------------- the scheduler

    def _body(self, thread: Thread) -> Callable[[], None]:
        def body() -> None:
            thread.history = 1  # that it has begun
            try:
                thread.run()
            except GreenletExit:
                return
            except BaseException as error:  # noqa: BLE001 - it is told with the execution
                self.problem = error
                self._next = -1
                return
            if self.joins:
                self.point(self.var(thread, 0, "end"), True)
            thread.done = True
            self.memory ^= hash((1, thread.index))
            self._next = self._choose()

        return body

    def _choose(self) -> int:
        depth = self._depth
        self._depth = depth + 1
        self.operations += 1
        chosen = self._explorer.choose(self, depth)
        if self.tracing and chosen >= 0:
            one = self.threads[chosen]
            self.trace.append(f"{one.name}: {'changes' if one.writes else 'reads'} {self.names.get(one.var, one.var)}")
        return chosen

    def run(self) -> None:
        """Until all threads have ended, or the explorer says stop."""
        self._next = self._choose()
        while self._next >= 0:
            self.current = self.threads[self._next]
            self.current.greenlet.switch()  # type: ignore[union-attr]

    def kill(self) -> None:
        """End what has not ended."""
        self.dying = True
        for thread in self.threads:
            if thread.greenlet is not None and not thread.greenlet.dead:
                self.current = thread
                thread.greenlet.throw(GreenletExit)
        self.current = None


class _Explorer:
    def __init__(self, preemptions: int | None, most: int | None) -> None:
        self.preemptions = preemptions
        self.most = most
        self.stack: list[_Node] = []
        self.visited: dict[int, Any] = {}
        self.standstill: str | None = None
        self.finished = False
        self.replay_only: list[int] | None = None
        self._words: dict[str, int] = {}

    def word(self, text: str) -> int:
        return self._words.setdefault(text, (1 << 42) + len(self._words))

    def choose(self, world: World, depth: int) -> int:
        """Who goes on at this *depth* of the execution; -1 to end it."""
        if self.replay_only is not None and depth < len(self.replay_only):
            return self.replay_only[depth]
        if self.replay_only is None and depth < len(self.stack):
            return self.stack[depth].now
        operations = {
            t.index: (t.var, t.writes)
            for t in world.threads
            if not t.done and t.greenlet is not None and (t.ready is None or t.ready())
        }
        if not operations:
            waiting = [t.name for t in world.threads if not t.done and t.greenlet is not None]
            if waiting:
                self.standstill = f"all wait: {', '.join(waiting)}"
            else:
                self.finished = True
            return -1
        if self.replay_only is not None:
            return -1
        return self._descend(world, operations)

    def _descend(self, world: World, operations: dict[int, tuple[int, bool]]) -> int:
        parent = self.stack[-1] if self.stack else None
        state = hash((world.memory, *[t.history for t in world.threads]))
        last = -1 if parent is None else parent.now
        sleep: set[int] = set()
        used = 0
        if self.preemptions is None:
            if parent is not None:
                var, writes = parent.operations[parent.now]
                for other in parent.sleep:
                    its_var, its_writes = parent.operations[other]
                    if its_var != var or not (writes or its_writes):
                        sleep.add(other)
            known = self.visited.get(state)
            if known is None:
                todo = [t for t in operations if t not in sleep]
                self.visited[state] = frozenset(sleep)
            else:
                todo = [t for t in known if t not in sleep and t in operations]
                sleep &= known
                self.visited[state] = frozenset(sleep)
        else:
            used = 0 if parent is None else parent.used + self._cost(parent, parent.now)
            key = hash((state, last if last in operations else -1))
            known = self.visited.get(key)
            if known is not None and known <= used:
                return -1
            self.visited[key] = used
            todo = list(operations)
            if used >= self.preemptions and last in operations:
                todo = [last]
            elif last in operations:
                todo.remove(last)
                todo.insert(0, last)
        if not todo:
            return -1
        chosen = todo.pop(0)
        self.stack.append(_Node(operations, sleep, todo, chosen, last, used))
        return chosen

    @staticmethod
    def _cost(node: _Node, chosen: int) -> int:
        return 1 if node.last in node.operations and chosen != node.last else 0

    def back(self) -> bool:
        """Go to the next execution; False when all have been."""
        while self.stack:
            node = self.stack[-1]
            node.sleep.add(node.now)
            if node.todo:
                node.now = node.todo.pop(0)
                return True
            self.stack.pop()
        return False


class _Sampler(_Explorer):
    """One execution after another, none like the last: who is overtaken at which steps is drawn beforehand."""

    def __init__(self, preemptions: int, dice: random.Random) -> None:
        super().__init__(preemptions, None)
        self.dice = dice
        self.most_steps = 1
        self.points: frozenset[int] = frozenset()

    def begin(self) -> None:
        assert self.preemptions is not None
        self.stack = []
        drawn = self.dice.randrange(self.preemptions + 1)
        self.points = frozenset(self.dice.randrange(self.most_steps) for _ in range(drawn))

    def _descend(self, world: World, operations: dict[int, tuple[int, bool]]) -> int:
        depth = len(self.stack)
        self.most_steps = max(self.most_steps, depth + 1)
        last = self.stack[-1].now if self.stack else -1
        others = [t for t in operations if t != last]
        overtaken = depth in self.points and others
        chosen = last if last in operations and not overtaken else self.dice.choice(others)
        self.visited[hash((world.memory, *[t.history for t in world.threads]))] = 0
        self.stack.append(_Node(operations, set(), [], chosen, last, 0))
        return chosen


#: The world whose threads run, for what is instrumented. There is one at a time.
_present: list[World] = []


def world() -> World:
    """The execution that is going on."""
    return _present[-1]


@contextmanager
def _as_present(one: World) -> Iterator[None]:
    _present.append(one)
    try:
        yield
    finally:
        _present.pop()


#: Sets a scenario up in a fresh world; returns what is called at the end of each whole execution: it asserts, and
#: returns what was seen.
Scenario = Callable[[World], Callable[[], Any]]


def explore(scenario: Scenario, *, preemptions: int | None = None, most: int | None = None) -> Found:
    """Run every execution of *scenario*, or *most* of them. Raises :class:`Broken` at the first that breaks."""
    explorer = _Explorer(preemptions, most)
    found = Found()
    begun = time.process_time()
    while True:
        one = World(explorer)
        _run(one, explorer, scenario, found)
        found.executions += 1
        found.operations += one.operations
        if not explorer.back():
            break
        if most is not None and found.executions >= most:
            found.complete = False
            break
    found.states = len(explorer.visited)
    found.seconds = time.process_time() - begun
    return found


def sample(scenario: Scenario, *, preemptions: int, runs: int, seed: int = 0) -> Found:
    """Run *runs* executions of *scenario*, each with at most *preemptions*. Raises :class:`Broken` as ``explore``."""
    explorer = _Sampler(preemptions, random.Random(seed))
    found = Found(complete=False)
    begun = time.process_time()
    for _ in range(runs):
        explorer.begin()
        one = World(explorer)
        _run(one, explorer, scenario, found)
        found.executions += 1
        found.operations += one.operations
    found.states = len(explorer.visited)
    found.seconds = time.process_time() - begun
    return found


def _run(one: World, explorer: _Explorer, scenario: Scenario, found: Found) -> None:
    explorer.standstill, explorer.finished = None, False
    wrong: BaseException | None = None
    with _as_present(one):
        at_end = scenario(one)
        try:
            one.run()
        finally:
            one.kill()
        try:
            if one.problem is not None:
                raise one.problem
            if explorer.standstill is not None:
                raise Broken(explorer.standstill)
            if explorer.finished:
                found.ends.add(at_end())
        except Exception as error:  # noqa: BLE001 - told with its execution
            wrong = error
    if wrong is not None:
        choices = [node.now for node in explorer.stack]
        lines = _again(choices, scenario)
        raise Broken(f"{type(wrong).__name__}: {wrong}\nafter:\n  " + "\n  ".join(lines)) from wrong


def _again(choices: list[int], scenario: Scenario) -> list[str]:
    """The operations of one execution, for people."""
    explorer = _Explorer(None, None)
    explorer.replay_only = choices
    one = World(explorer, tracing=True)
    with _as_present(one):
        scenario(one)
        try:
            one.run()
        finally:
            one.kill()
    return one.trace
