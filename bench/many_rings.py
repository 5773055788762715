"""How the time of a record grows with the rings, busy and idle, and the drives of one process (docs/performance.md).

    python bench/many_rings.py [--records 6400] [--rounds 3] [--out bench/results/many_rings.json]

Rings and the drives' loops alone, in this process: records are not filled, drives do nothing with them. Processor time
by records, the least of the rounds.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from pathlib import Path

import machine
from tapechain.runtime.model import Ending, ObjectFacts, Session
from tapechain.runtime.ring import Ring
from tapechain.runtime.taking import Taking

SESSION = Session("0190b5a0-0000-7000-8000-000000000000", 1, "p", "f", "2026-01-01T00:00:00.000Z")
ITEM = ObjectFacts("0190b5a0-0000-7000-8000-000000000001", "s", "stream", SESSION)
BYTES = 4096

#: Rings, those of them that have records, drives.
POINTS = (
    *((n, n, 2) for n in (1, 2, 4, 8, 16, 32, 64, 128, 200)),
    *((n, 1, 2) for n in (2, 8, 64, 200)),
    *((4, 4, n) for n in (1, 2, 4, 8, 16)),
    (64, 64, 16),
)


class Nothing:
    """A drive that does nothing."""

    def begin(self, facts: ObjectFacts) -> None: ...

    def write(self, record: memoryview, object_id: str, sequence: int, payload_bytes: int) -> None: ...

    def write_run(self, records: memoryview, object_id: str, sequence: int, payload_bytes: int, count: int) -> None: ...

    def end(self, object_id: str, ending: Ending) -> None: ...


def once(rings: int, busy: int, drives: int, records: int) -> float:
    """Microseconds of processor time a record."""
    made = [Ring(8, BYTES) for _ in range(rings)]
    takings = [Taking(Nothing()) for _ in range(drives)]
    for taking in takings:
        for ring in made:
            taking.attach(ring, essential=True)

    def write(ring: Ring) -> None:
        for sequence in range(records // busy):
            ring.claim()
            ring.publish(ITEM, sequence, BYTES, BYTES)
        ring.finish(ITEM, Ending("whole"))

    takers = [threading.Thread(target=taking.take_all, args=("interleave",)) for taking in takings]
    writers = [threading.Thread(target=write, args=(ring,)) for ring in made[:busy]]
    begun = time.process_time()
    for thread in (*takers, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    for ring in made:
        ring.end()
    for thread in takers:
        thread.join()
    spent = time.process_time() - begun
    for ring in made:
        ring.close()
    return spent / (records // busy * busy) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=6400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="result (JSON)")
    options = parser.parse_args()
    found = []
    for rings, busy, drives in POINTS:
        least = min(once(rings, busy, drives, options.records) for _ in range(options.rounds))
        found.append({"rings": rings, "busy": busy, "drives": drives, "record_us": round(least, 1)})
        print(
            f"{rings:4} rings, {busy:3} busy, {drives:2} drives {least:7.1f} µs  {'█' * max(1, round(least))}",
            flush=True,
        )
    if options.out is not None:
        text = json.dumps({"machine": machine.facts(), "records": options.records, "points": found}, indent=1)
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
