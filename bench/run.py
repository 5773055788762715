"""The bench: one command, one table. Every row of issue 5's table with its goal, beside its peers in the same run.

    make bench                                   # all of it, some 15 minutes on two quiet cores
    python bench/run.py --only "one stream"      # one work (may be repeated); --list names them
    python bench/run.py --out A.json             # kept, for python bench/compare.py A.json B.json
    python bench/run.py --small                  # tiny amounts, no backup systems: shows that it works

Each figure is the median of ratios of runs that alternate here and now, with the least and the most. bench/README.md
says what each contender does and what was done to be fair to it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import NoReturn

import machine
from place import FULL, SMALL, Place
from result import as_json, table_of
from works import systems
from works.registry import ALL

#: Room that the greatest work needs at full scale: a stream of 2 GiB, its three copies, and what is left of another.
_ROOM = 10 << 30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="tiny amounts: only shows that it works")
    parser.add_argument("--part", type=int, default=1, metavar="N", help="an N-th of the amounts, for a quick look")
    parser.add_argument("--rounds", type=int, help="of each contender (default: 5, small: 1)")
    parser.add_argument("--only", action="append", choices=ALL, metavar="WORK", help="this work (may be repeated)")
    parser.add_argument("--list", action="store_true", help="name the works")
    parser.add_argument("--folder", type=Path, default=Path("/dev/shm"), help="needs 10 GiB of room")
    parser.add_argument("--out", type=Path, help="keep the result here (JSON)")
    options = parser.parse_args()
    if options.list:
        print("\n".join(f"{work.name:24}{work.title}" for work in ALL.values()))
        return
    scale, rounds = (SMALL, options.rounds or 1) if options.small else (FULL, options.rounds or 5)
    if rounds < 1 or options.part < 1:
        parser.error("--rounds and --part are at least 1")
    scale = scale.part(options.part)
    if not options.small and shutil.disk_usage(options.folder).free < _ROOM // options.part:
        raise SystemExit(f"{options.folder} has less than {_ROOM >> 30} GiB of room")
    if options.out is not None and not options.out.parent.is_dir():
        raise SystemExit(f"{options.out.parent} is not a folder")
    signal.signal(signal.SIGTERM, _end)  # so that folders and daemons go, too
    machine.compile_ours()
    absent = _absent()
    facts = machine.facts()
    print(
        f"{facts['processors']} processors, load {facts['load_at_start']:.2f}, commit {facts['commit']}"
        f"{' with changes' if facts['changed_since'] else ''}, Python {facts['python']}"
    )
    if options.part > 1 and not options.small:
        print(f"1/{options.part} of the amounts: process start counts for more than the goals mean")
    if absent:
        print(f"not installed, left out: {', '.join(absent)}")
    result: dict[str, object] = {
        "version": 1,
        "machine": facts,
        "small": options.small,
        "part": options.part,
        "absent": absent,
        "works": {},
    }
    begin = time.monotonic()
    for name, work in ALL.items():
        if name not in (options.only or _usual(small=options.small)):
            continue
        least = min(rounds, work.rounds)
        with tempfile.TemporaryDirectory(dir=options.folder, prefix="tapechain-bench-") as made:
            found = work.measure(Place(Path(made)), scale, least)
        # What tiny amounts take is process start: no goal is judged by that.
        print(table_of(f"{name}: {work.title}", found, () if options.small else work.goals, least), flush=True)
        works = result["works"]
        assert isinstance(works, dict)
        works[name] = as_json(found, work.goals, least)
        if options.out is not None:  # after each: what was measured is kept whatever comes
            options.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    _summary(result, time.monotonic() - begin, small=options.small)


def _usual(*, small: bool) -> list[str]:
    """Without being asked. Backup systems take long even for nothing, and are not installed where CI runs."""
    return [name for name, work in ALL.items() if not small or work not in systems.WORKS]


def _end(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)


def _absent() -> list[str]:
    programs = ("cc", "mbuffer", "xxhsum", "age", "zstd")
    return [name for name in programs if shutil.which(name) is None] + systems.absent()


def _summary(result: dict[str, object], seconds: float, *, small: bool) -> None:
    works = result["works"]
    assert isinstance(works, dict)
    goals = [(name, goal) for name, work in works.items() for goal in work["goals"]]
    judged = [(name, goal) for name, goal in goals if goal["reached"] is not None]
    print(f"\n{len(works)} works in {seconds:.0f} s", end="")
    if small:
        print(": all of it works. Amounts as small as these say nothing about speed.")
        return
    missed = [f"{name} ({goal['words']})" for name, goal in judged if not goal["reached"]]
    print(f"; {len(judged) - len(missed)} of {len(goals)} goals reached")
    for line in missed:
        print(f"  missed: {line}")
    for name, goal in goals:
        if goal["reached"] is None:
            print(f"  not measured: {name} ({goal['words']})")


if __name__ == "__main__":
    main()
