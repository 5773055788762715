"""System calls of a record on its way to three drives, counted by strace, beside what others make for each MiB."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Sequence

import data
from place import Place, Scale, mirrored
from result import Figure, Result

from .base import Work

_LINE = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", re.MULTILINE)


def _counted(place: Place, command: Sequence[str]) -> Counter[str]:
    """System calls of the command and all its children, by name."""
    table = place.folder / "strace"
    traced = ["strace", "-f", "-c", "-qq", "-o", table, *command]
    subprocess.run(traced, check=True, cwd=place.folder, stderr=subprocess.DEVNULL)
    place.clean()
    return Counter({name: int(count) for count, name in _LINE.findall(table.read_text()) if name != "total"})


def calls(place: Place, scale: Scale, rounds: int) -> Result:
    """More records less fewer, so that start and end are in neither. strace slows all down: waits are more frequent."""
    if shutil.which("strace") is None:
        return Result(notes=["there is no strace here"])
    fewer, more = 8, max(24, scale.each >> 20)
    contenders = {"tcc": "", "mbuffer": "", "tee": "tee out0 out1 < {0} > out2"}
    contenders["mbuffer"] = "mbuffer -q -s 1M -m 8M -i {0} -o out0 -o out1 -o out2"
    if shutil.which("mbuffer") is None:
        del contenders["mbuffer"]
    result = Result(notes=["for each MiB to three drives:"])
    for name, script in contenders.items():
        found = []
        for size in (fewer, more):
            data.fill(place.folder / "input", size << 20)
            place.plan("calls", mirrored('source input { stream = "input" }  # tcc: ignore TC903', ["input"]))
            command = place.ours("calls").argv if name == "tcc" else ["sh", "-c", script.format("input")]
            found.append(_counted(place, command))
        each = {call: (found[1][call] - found[0][call]) / (more - fewer) for call in found[1]}
        total = sum(each.values())
        result.figures[f"calls a MiB, {name}"] = Figure.of([total])
        greatest = sorted(((count, call) for call, count in each.items() if count >= 0.05), reverse=True)
        result.notes.append(
            f"  {name:10}{total:7.1f}: " + ", ".join(f"{call} {count:.2f}" for count, call in greatest[:6])
        )
    return result


WORKS = (Work("system calls", "system calls for each MiB of one stream to three drives (strace)", calls, rounds=1),)
