"""Two hands under every schedule: each record is checked once, and taken in its order when done; nobody waits for ever.

L122, of :mod:`tapechain.runtime.media.checks`: a walk that looks *ahead* so many records, and its helpers.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import pytest
from exploring import Broken, World, explore
from instrumented import instrumented, mutated
from tapechain.runtime.media import checks as checks_module
from tapechain.runtime.media.checks import Check, Checks
from tapechain.runtime.media.record import HEADER_BYTES, parse, seal
from tapechain.runtime.model import ObjectFacts, Session

from .test_ring_schedules import LONG

pytestmark = pytest.mark.timeout(110)

SESSION = Session("019a7e0e-0000-7000-8000-000000000001", 1, "p", "ab" * 32, "2026-11-20T02:00:00.000Z")
FACTS = ObjectFacts("019a7e0e-0000-7000-8000-000000000002", "s", "stream", SESSION)
TOTAL = HEADER_BYTES + 512


def sealed(count: int) -> list[bytes]:
    records = []
    for n in range(count):
        slot = memoryview(bytearray(TOTAL))
        slot[HEADER_BYTES:] = bytes([n]) * 512
        seal(slot, FACTS, n, 512, last=n == count - 1)
        records.append(bytes(slot))
    return records


@dataclass(frozen=True)
class Walk:
    """*records* records, of which *damaged* is damaged and *unreadable* cannot be read; the walk may stop early."""

    records: int
    ahead: int = 2
    hands: int = 2
    damaged: int | None = None
    unreadable: int | None = None
    stops: int | None = None

    def __call__(self, world: World) -> Callable[[], Any]:
        medium = sealed(self.records)
        read_by: list[int] = []
        taken: list[tuple[int, str | None]] = []

        def reading(fd: int) -> Callable[[memoryview, int], int]:
            def read(view: memoryview, position: int) -> int:
                n, offset = divmod(position, TOTAL)
                read_by.append(n)
                if n == self.unreadable:
                    raise OSError
                view[:] = medium[n][offset : offset + len(view)]
                if n == self.damaged:
                    view[0] ^= 1
                return len(view)

            return read

        def told(check: Check) -> None:
            assert check.failure is None or isinstance(check.failure, OSError)
            taken.append((check.position // TOTAL, check.wrong if check.failure is None else "unreadable"))

        def walk() -> None:
            checks = Checks(3, reading, hands=self.hands, told=told)
            for n in range(self.records):
                if n == self.stops:
                    break
                checks.put(n * TOTAL, parse(medium[n]), medium[n][:HEADER_BYTES])
                while len(checks) > self.ahead:
                    assert checks.take().done
            while self.stops is None and len(checks):
                assert checks.take().done
            checks.close()

        world.thread("walk", walk)

        def at_end() -> Any:
            words = {self.damaged: "its digest is wrong", self.unreadable: "unreadable"}
            expected = [(n, words.get(n)) for n in range(self.records)]
            assert taken == expected[: len(taken)] and (self.stops is not None or len(taken) == self.records)
            assert len(read_by) == len(set(read_by)), "a record was read twice"
            return len(read_by)

        return at_end


@contextmanager
def checking() -> Iterator[None]:
    """Instrumented; records of 512 bytes are handed over, and a descriptor is a number."""
    with ExitStack() as stack:
        stack.enter_context(instrumented())
        stack.enter_context(mock.patch.object(checks_module, "SMALL_BYTES", 0))
        stack.enter_context(mock.patch.object(checks_module, "PIECE_BYTES", 512))
        here = types.SimpleNamespace(dup=lambda fd: fd + 1, close=lambda fd: None)
        stack.enter_context(mock.patch.object(checks_module, "os", here))
        yield


CASES = [
    (None, Walk(2)),
    (None, Walk(2, ahead=1, damaged=0)),
    (None, Walk(2, unreadable=1)),
    (None, Walk(4, stops=3)),
    (None, Walk(4, damaged=2)),
    (1, Walk(3, hands=3, damaged=1)),
]


@pytest.mark.parametrize(("preemptions", "case"), CASES, ids=str)
def test_every_schedule_of_two_hands_checks_each_record_once_and_in_order(preemptions: int | None, case: Walk) -> None:
    with checking():
        found = explore(case, preemptions=preemptions)
    print(f"{case}, preemptions {preemptions}: {found}")
    assert found.complete and found.executions > 3


@LONG
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(
    ("preemptions", "case"),
    [(None, Walk(6, damaged=1)), (None, Walk(6, ahead=3)), (None, Walk(3, hands=3)), (2, Walk(4, hands=3))],
    ids=str,
)
def test_longer_walks(preemptions: int | None, case: Walk) -> None:
    with checking():
        found = explore(case, preemptions=preemptions)
    print(f"{case}, preemptions {preemptions}: {found}")
    assert found.complete


BUGS = {
    "a walk does not look again after it said that it will sleep": (
        Checks, "_sleep_until", "if check.done:", "if False:", Walk(2),
    ),
    "a walk takes what is not done": (Checks, "take", "while not check.done:", "if not check.done:", Walk(3)),
    "a helper tells nobody": (Checks, "_serve", "if self._news.armed:", "if False:", Walk(2)),
    "a helper is never let go": (Checks, "close", "self._todo.put(None)", "pass", Walk(2)),
}  # fmt: skip


@pytest.mark.parametrize("bug", BUGS)
def test_a_bug_in_the_checks_is_found(bug: str) -> None:
    owner, name, old, new, case = BUGS[bug]
    with mutated(owner, name, old, new), checking():
        with pytest.raises(Broken, match="after:"):
            for preemptions in range(3):
                explore(case, preemptions=preemptions)
