"""That the explorer finds what it looks for: bugs put into the ring, and programs whose outcomes are known."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from exploring import Broken, World, explore
from hypothesis import given, settings
from hypothesis import strategies as st
from instrumented import Lock, instrumented, mutated
from tapechain.runtime.ring import Doorbell, Ring, RingReader
from tapechain.runtime.taking import Taking

from .test_ring_schedules import Bells, Case

pytestmark = pytest.mark.timeout(100)

#: owner, method, its source, what it becomes, and a case that shows it
BUGS: dict[str, tuple[type, str, str, str, Any]] = {
    "a writer does not look again after it said that it will sleep": (
        Ring, "claim",
        "if self._cancelled or self.abandoned or self.free >= self.enough:", "if False:",
        Case(objects=(3,)),
    ),
    "a taker does not look again after it said that it will sleep": (
        Taking, "_sleep",
        "if any(feed.reader.worth_waking(patient=patient) for feed in feeds):", "if False:",
        Case(objects=(1,)),
    ),
    "the bell is rung before the record counts": (
        Ring, "publish",
        "self.published += 1\n    for reader in self._readers:\n        bell = reader.bell\n"
        "        if bell.armed and (not bell.patient or self.published - reader.taken >= self.enough):\n"
        "            bell.ring()",
        "for reader in self._readers:\n        if reader.bell.armed: reader.bell.ring()\n    self.published += 1",
        Case(objects=(2,), waits=True),
    ),
    "the end is told before it is set": (
        Ring, "end",
        "self.ended = True\n    self._ring_all()", "pass\n    self._ring_all()\n    self.ended = True",
        Case(objects=(1,)),
    ),
    "one slot more is free than there is": (
        Ring, "free", "return self.depth - (self._claimed", "return self.depth + 1 - (self._claimed",
        Case(objects=(3,)),
    ),
    "a writer is woken too late": (
        RingReader, "release", "ring.free >= ring.enough", "ring.free > ring.depth",
        Case(objects=(4,)),
    ),
    "a reader that leaves tells nobody": (
        Ring, "remove", "self.space.ring()", "pass", Case(objects=(4,), leaves=(1,)),
    ),
    "calling off tells nobody": (
        Ring, "cancel", "self.space.ring()", "pass", Case(objects=(4,), cancel=True, stands=True),
    ),
    "the end is looked at last": (
        RingReader, "over",
        "ring.ended and self.taken == ring.published and self._seen == len(ring.endings)",
        "self.taken == ring.published and self._seen == len(ring.endings) and ring.ended",
        Case(objects=(1,)),
    ),
    "a record counts before it is described": (
        Ring, "publish",
        "self.sequences[slot] = sequence\n    self.items[slot] = item\n    self.published += 1",
        "self.items[slot] = item\n    self.published += 1\n    self.sequences[slot] = sequence",
        Case(objects=(2,)),
    ),
    "a slot is given back before it is read": (
        Taking, "_take",
        "record, item, sequence, payload_bytes = feed.reader.peek()",
        "record, item, sequence, payload_bytes = feed.reader.peek()\n    feed.reader.taken += 1\n"
        "    feed.reader.taken -= 1",
        Case(objects=(3,)),
    ),
    "a record of the next object comes before the ending of the last one": (
        Taking, "_turn", "if available:", "if reader.available:", Case(objects=(1, 1)),
    ),
    "a bell that was rung meanwhile stays rung": (
        Doorbell, "disarm", "self._sleep.acquire()", "pass", Bells(1, 2),
    ),
    "a bell rings twice": (
        Doorbell, "ring", "self.armed = False\n", "pass\n", Bells(2, 2),
    ),
    "a bell is rung without its guard": (
        Doorbell, "ring",
        "with self._guard:", "if True:",
        Bells(2, 2),
    ),
}  # fmt: skip


@pytest.mark.parametrize("bug", BUGS)
def test_a_bug_in_the_ring_is_found(bug: str) -> None:
    owner, name, old, new, case = BUGS[bug]
    with ExitStack() as stack:
        stack.enter_context(mutated(owner, name, old, new))
        stack.enter_context(instrumented())
        with pytest.raises(Broken, match="after:"):
            explore(case, preemptions=None if isinstance(case, Bells) else 2)


# ---------------------------------------------------------------- programs whose outcomes are known

#: A program is a list of threads; an operation is ("read", v), ("write", v), ("lock", l), ("unlock", l).
Program = list[list[tuple[str, int]]]


class Memory:
    def __init__(self) -> None:
        self.cells = [0, 0]


def scenario_of(program: Program) -> Callable[[World], Callable[[], Any]]:
    """Each thread writes what it has read so far, and one more; the outcome is what each has read."""

    def scenario(world: World) -> Callable[[], Any]:
        memory, locks, seen = Memory(), [Lock(), Lock()], [[0] for _ in program]

        def body(n: int) -> None:
            for what, which in program[n]:
                if what == "read":
                    var = world.var(memory, which)
                    seen[n].append(world.read(var, lambda which=which: memory.cells[which]))
                elif what == "write":
                    value = 1 + n + sum(seen[n])
                    put = lambda which=which, value=value: memory.cells.__setitem__(which, value)  # noqa: E731
                    world.write(world.var(memory, which), value, put)
                elif what == "lock":
                    locks[which].acquire()
                else:
                    locks[which].release()

        for n in range(len(program)):
            world.thread(f"t{n}", lambda n=n: body(n))
        return lambda: (tuple(map(tuple, seen)), tuple(memory.cells))

    return scenario


def outcomes(program: Program) -> tuple[set[Any], bool]:
    """All outcomes by trying every interleaving of a model, and whether a standstill is among them."""
    ends: set[Any] = set()
    stuck = False

    def steps(state: Any) -> Iterator[Any]:
        for n, at in enumerate(state[0]):
            if at == len(program[n]):
                continue
            what, which = program[n][at]
            if what == "lock" and state[2][which]:
                continue
            positions, cells, locks, seen = copy.deepcopy(state)
            positions[n] += 1
            if what == "read":
                seen[n].append(cells[which])
            elif what == "write":
                cells[which] = 1 + n + sum(seen[n])
            else:
                locks[which] = what == "lock"
            yield [positions, cells, locks, seen]

    stack, done = [[[0] * len(program), [0, 0], [False, False], [[0] for _ in program]]], set()
    while stack:
        state = stack.pop()
        following = list(steps(state))
        if not following:
            if all(at == len(program[n]) for n, at in enumerate(state[0])):
                ends.add((tuple(map(tuple, state[3])), tuple(state[1])))
            else:
                stuck = True
        for one in following:
            if repr(one) not in done:
                done.add(repr(one))
                stack.append(one)
    return ends, stuck


@st.composite
def programs(draw: st.DrawFn) -> Program:
    made: Program = []
    for _ in range(draw(st.integers(2, 3))):
        thread: list[tuple[str, int]] = []
        for _ in range(draw(st.integers(1, 3))):
            which = draw(st.integers(0, 1))
            what = draw(st.sampled_from(["read", "write", "locked"]))
            if what == "locked":
                inner = draw(st.sampled_from([("read", which), ("write", which), ("lock", 1 - which)]))
                thread += [("lock", which), inner]
                if inner[0] == "lock":
                    thread.append(("unlock", inner[1]))
                thread.append(("unlock", which))
            else:
                thread.append((what, which))
        made.append(thread)
    return made


@given(programs())
@settings(max_examples=30, deadline=None)
def test_every_outcome_of_a_small_program_is_found_and_every_standstill(program: Program) -> None:
    ends, stuck = outcomes(program)
    scenario = scenario_of(program)
    try:
        found = explore(scenario)
    except Broken as broken:
        assert stuck and "all wait" in str(broken)
    else:
        assert not stuck and found.ends == ends
        assert explore(scenario, preemptions=20).ends == ends
        assert explore(scenario, preemptions=0).ends <= ends
