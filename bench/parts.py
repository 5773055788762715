"""``tcc run`` with a clock on each part of a record's way: processor time by part, each part without those within it.

    python bench/parts.py FILE run PLAN…

The parts are the engine's own functions, wrapped from outside. Each thread counts for itself, by its own processor
clock: waiting for the interpreter's lock or for a bell costs no processor time, the system calls for it do, and belong
to the part that made them. Digest and headers are made by one function: the digest's share is measured alone.

Writes raw counts as JSON: {"parts": {NAME: {"seconds", "calls", "within": calls of other parts}}, "process_seconds",
"digest_seconds": one record's, "own", "around": seconds that a call of an empty function adds to its own part and to
the one around it}. Who reads them takes the wrappers' cost off (works/engine.py).
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from tapechain.cli import main as entry
from tapechain.runtime import hang, reader, ring, writer
from tapechain.runtime.media import record
from tapechain.runtime.sources import base
from xxhash import xxh3_128

_clock = time.thread_time_ns


class _Counts(threading.local):
    """Of one thread: part → [nanoseconds without what is within, calls, calls within]; the parts that are open."""

    def __init__(self) -> None:
        self.parts: dict[str, list[int]] = {}
        self.open: list[list[int]] = []
        _ALL.append(self.parts)


_ALL: list[dict[str, list[int]]] = []
_counts = _Counts()


def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """*function*, counted as part *name*."""

    def wrapper(*words: Any, **named: Any) -> Any:
        counts = _counts
        mine = counts.parts.get(name)
        if mine is None:
            mine = counts.parts[name] = [0, 0, 0]
        within = [0, 0]  # nanoseconds and calls of the parts within
        counts.open.append(within)
        begin = _clock()
        try:
            return function(*words, **named)
        finally:
            took = _clock() - begin
            counts.open.pop()
            mine[0] += took - within[0]
            mine[1] += 1
            mine[2] += within[1]
            if counts.open:
                counts.open[-1][0] += took
                counts.open[-1][1] += 1

    return wrapper


def _wrap(owner: Any, attribute: str, name: str) -> None:
    if not hasattr(owner, attribute):
        raise SystemExit(f"{owner} has no {attribute} any more: bench/parts.py has to learn its new name")
    setattr(owner, attribute, timed(name, getattr(owner, attribute)))


def instrument() -> None:
    """Put a clock on every part."""
    _wrap(base.PlainSource, "read", "read")
    _wrap(reader, "seal", "digest and headers")
    _wrap(ring.Ring, "claim", "claim a slot")
    _wrap(ring.Ring, "publish", "publish")
    _wrap(ring.RingReader, "peek", "take")
    _wrap(ring.RingReader, "run", "take")
    _wrap(ring.RingReader, "peek_run", "take")
    _wrap(ring.RingReader, "release", "release")
    _wrap(ring.Doorbell, "ring", "wake another")
    _wrap(ring.Doorbell, "wait", "sleep")
    _wrap(hang.WatchedDrive, "write", "write")
    _wrap(hang.WatchedDrive, "write_run", "write")
    _wrap(reader.SourceReader, "_run", "the reader's loop")
    _wrap(writer.DriveWriter, "_run", "the drives' loops")


def calibrate() -> tuple[float, float]:
    """Nanoseconds that one wrapped call adds to its own part, and to the part around it."""
    inner = timed("inner", lambda: None)
    calls = 20_000
    numbers = range(calls)

    def many() -> None:
        for _ in numbers:
            inner()

    def none() -> None:
        for _ in numbers:
            pass

    best = None
    for _ in range(5):
        _counts.parts.clear()
        timed("outer", many)()
        timed("empty", none)()
        own = _counts.parts["inner"][0] / calls
        around = (_counts.parts["outer"][0] - _counts.parts["empty"][0]) / calls
        best = min(best or (own, around), (own, around), key=sum)
    _counts.parts.clear()
    assert best is not None
    return best


def digest_seconds(payload_bytes: int) -> float:
    """What the digest of one record takes, the least of many."""
    payload, text = memoryview(bytearray(payload_bytes)), bytes(200)
    took = []
    for _ in range(2000):
        begin = _clock()
        digest = xxh3_128(text)
        digest.update(payload)
        digest.hexdigest()
        took.append(_clock() - begin)
    return sorted(took)[len(took) // 4] / 1e9


def main() -> None:
    out = Path(sys.argv[1])
    sys.argv = ["tcc", *sys.argv[2:]]
    before = time.process_time()
    own, around = calibrate()
    digest = digest_seconds((64 << 10) - record.HEADER_BYTES)
    apart = time.process_time() - before
    instrument()
    leave = entry._leave

    def told(code: int) -> NoReturn:
        total: dict[str, list[int]] = {}
        for parts in _ALL:
            for name, counted in parts.items():
                mine = total.setdefault(name, [0, 0, 0])
                for i, number in enumerate(counted):
                    mine[i] += number
        found = {
            "parts": {
                name: {"seconds": nanoseconds / 1e9, "calls": calls, "within": within}
                for name, (nanoseconds, calls, within) in total.items()
            },
            "process_seconds": time.process_time() - apart,
            "digest_seconds": digest,
            "own": own / 1e9,
            "around": around / 1e9,
        }
        out.write_text(json.dumps(found))
        leave(code)

    entry._leave = told
    entry.main()


if __name__ == "__main__":
    main()
