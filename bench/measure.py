"""Running contenders: in turn in one run, with seconds, processor seconds of all that worked, and peak memory.

The order is reversed every other round. The first round only warms up and has its memory watched, which costs a little
time; where a round is too dear for that it counts as well.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

#: How often memory is looked at, where it is.
_LOOK_SECONDS = 0.02


def nothing() -> None:
    """There is nothing to do."""


def none_running() -> Sequence[int]:
    """There are no daemons."""
    return ()


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of one contender.

    ``seconds`` on the clock, process start included; ``cpu_seconds`` of the process, its children and the contender's
    daemons; ``inside_seconds``: what the program itself says that its work took, without its start;
    ``peak_bytes``: the most that all its processes together held (shared pages counted once), where it was watched.
    """

    seconds: float
    cpu_seconds: float
    peak_bytes: int | None = None
    inside_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Contender:
    """A command, what it needs before it is timed, and what takes its traces away afterwards.

    *check* raises SystemExit where the work was not done; it is not timed. *output*: where standard output goes.
    *daemons*: the processes that work for it and are not its children. *inside*: its own seconds, asked after the run.
    *codes*: exit codes of a good end.
    """

    name: str
    argv: Sequence[str]
    prepare: Callable[[], None] = nothing
    check: Callable[[], None] = nothing
    clean: Callable[[], None] = nothing
    output: str | None = None
    daemons: Callable[[], Sequence[int]] = none_running
    inside: Callable[[], float] | None = None
    codes: Sequence[int] = (0,)


def run(contender: Contender, *, watch: bool = False) -> Sample:
    """Run it once; with *watch* its memory is looked at. Raises SystemExit where it fails."""
    contender.prepare()
    try:
        daemons = contender.daemons()
        before = sum(cpu_seconds_of(pid) for pid in daemons)
        with open(contender.output or os.devnull, "wb") as out:
            start = time.perf_counter()
            # A session of its own, so that all of a pipeline can be ended.
            process = subprocess.Popen(contender.argv, stdout=out, stderr=subprocess.PIPE, start_new_session=True)
            watcher = _Watcher((process.pid, *daemons)) if watch else None
            said = _Said(process)
            try:
                _, status, usage = os.wait4(process.pid, 0)
            except BaseException:  # interrupted: nothing may go on writing into a folder that is taken away
                os.killpg(process.pid, signal.SIGKILL)
                raise
            seconds = time.perf_counter() - start
        peak = watcher.end() if watcher is not None else None
        process.returncode = os.waitstatus_to_exitcode(status)
        text = said.end()
        if process.returncode not in contender.codes:
            raise SystemExit(f"{contender.name} ended with {process.returncode}: {list(contender.argv)}\n{text}")
        cpu = usage.ru_utime + usage.ru_stime + sum(cpu_seconds_of(pid) for pid in contender.daemons()) - before
        contender.check()
        return Sample(seconds, cpu, peak, contender.inside() if contender.inside is not None else None)
    finally:
        contender.clean()


def alternate(contenders: Sequence[Contender], rounds: int, *, warm: bool = True) -> dict[str, list[Sample]]:
    """*rounds* times each, in turn. *warm*: a round before them is watched and does not count; else the first is."""
    samples: dict[str, list[Sample]] = {c.name: [] for c in contenders}
    for n in range(rounds + warm):
        for contender in contenders if n % 2 else tuple(reversed(contenders)):
            samples[contender.name].append(run(contender, watch=n == 0))
    return samples


def counted(samples: Sequence[Sample], rounds: int) -> Sequence[Sample]:
    """Those that count: without the round before."""
    return samples[len(samples) - rounds :]


class _Said:
    """The last of what a process says on its standard error, read while it runs so that it never waits."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stderr is not None
        self._stderr = process.stderr
        self._last = b""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while data := self._stderr.read1(1 << 16):
            self._last = (self._last + data)[-4000:]
        self._stderr.close()

    def end(self) -> str:
        """What it was. A child that outlives the process keeps the pipe open: that is not waited for long."""
        self._thread.join(1)
        return self._last.decode(errors="replace")


# ---------------------------------------------------------------- what other processes use


def cpu_seconds_of(pid: int) -> float:
    """Processor seconds that process *pid* has used, all its threads, those that have ended included.

    From the process's own clock; the number of such a clock: ``man 3 clock_getcpuclockid``, and the kernel's
    posix-timers_types.h (``~pid << 3``, and 2 for the scheduler's count).
    """
    return time.clock_gettime((~pid << 3) | 2)


class _Watcher:
    """Looks at the memory of processes and all their descendants until it is ended."""

    def __init__(self, roots: Sequence[int]) -> None:
        self._roots = roots
        self._over = threading.Event()
        self._peak = 0
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while True:
            self._peak = max(self._peak, sum(_held_bytes(pid) for pid in _with_children(self._roots)))
            if self._over.wait(_LOOK_SECONDS):
                return

    def end(self) -> int:
        """The most that was seen at any one moment, bytes."""
        self._over.set()
        self._thread.join()
        return self._peak


def _with_children(roots: Sequence[int]) -> list[int]:
    found, todo = [], list(roots)
    while todo:
        pid = todo.pop()
        found.append(pid)
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                todo += map(int, Path(f"/proc/{pid}/task/{task}/children").read_text().split())
        except OSError:
            continue
    return found


def _held_bytes(pid: int) -> int:
    """Memory of a process; of pages that several share, its part. What it wrote into files in memory is not in it."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            return next((int(line.split()[1]) * 1024 for line in file if line.startswith("Pss:")), 0)
    except OSError:
        return 0
