"""What waits in a spool in one order: records and endings, first in, first out, in few bytes each."""

from __future__ import annotations

from array import array
from typing import Final

from ..frozen import frozen
from ..model import Ending, ObjectFacts

#: What was taken from the front is forgotten when it is so much, and half of all.
_FORGET: Final = 4096


@frozen
class Waiting:
    """The oldest entry of a lane: a record at ``place`` of the spool's file, or the object's ``ending``."""

    item: ObjectFacts
    place: int
    sequence: int
    total_bytes: int
    payload_bytes: int
    ending: Ending | None = None


class Lane:
    """A queue of records and endings. An entry costs 24 bytes; objects and endings are kept beside it."""

    def __init__(self) -> None:
        self._places = array("I")
        self._sequences = array("Q")
        self._totals = array("I")
        self._payloads = array("I")
        self._items = array("I")
        self._facts: list[ObjectFacts] = []
        self._numbers: dict[str, int] = {}
        self._endings: dict[int, Ending] = {}
        self._head = 0

    def __len__(self) -> int:
        return len(self._places) - self._head

    def put(self, item: ObjectFacts, place: int, sequence: int, total_bytes: int, payload_bytes: int) -> None:
        """One record behind all others."""
        number = self._numbers.get(item.id)
        if number is None:
            number = self._numbers[item.id] = len(self._facts)
            self._facts.append(item)
        self._places.append(place)
        self._sequences.append(sequence)
        self._totals.append(total_bytes)
        self._payloads.append(payload_bytes)
        self._items.append(number)

    def end(self, item: ObjectFacts, ending: Ending) -> None:
        """The object's ending, behind all others."""
        self.put(item, 0, 0, 0, 0)
        self._endings[self._items[-1]] = ending

    def take(self) -> Waiting:
        """The oldest entry, and forget it."""
        at = self._head
        number = self._items[at]
        total = self._totals[at]
        ending = self._endings.pop(number) if total == 0 else None
        found = Waiting(self._facts[number], self._places[at], self._sequences[at], total, self._payloads[at], ending)
        self._head += 1
        if (self._head >= _FORGET and 2 * self._head >= len(self._places)) or self._head == len(self._places):
            for column in (self._places, self._sequences, self._totals, self._payloads, self._items):
                del column[: self._head]
            self._head = 0
        return found
