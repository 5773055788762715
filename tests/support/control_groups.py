"""Control groups of both versions: where one may be made, and commands within it."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

#: Runs a command within the control group whose list of processes is its first argument.
ENTER = 'echo $$ > "$0" && exec "$@"'

Group = tuple[Path, str, str]
FILES: dict[tuple[int, str], tuple[str, str]] = {
    (1, "memory"): ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes"),
    (2, "memory"): ("memory.max", "memory.swap.max"),
    (1, "pids"): ("pids.max", ""),
    (2, "pids"): ("pids.max", ""),
}


def groups(mounts: str, own: str, user: int, what: str = "memory") -> Iterator[Group | str]:
    """Where a control group may be made that limits *what* (``memory`` or ``pids``), its file of the limit, and that of
    swap: version 2 and 1; or why not there.

    *mounts* and *own*: what ``/proc/self/mountinfo`` and ``/proc/self/cgroup`` say. Of version 2 the places are its
    root, the groups above this process, and what systemd leaves to a user; each where it passes the limit of memory on.
    """
    for line in mounts.splitlines():
        place, kind, options = line.split()[4], line.partition(" - ")[2].split()[0], line.split()[-1]
        if kind == "cgroup" and what in options.split(","):
            yield Path(place), *FILES[1, what]
        elif kind == "cgroup2":
            ours = next((Path(o.split(":", 2)[2]) for o in own.splitlines() if o.startswith("0::")), Path("/"))
            below = [Path("/"), *ours.parents, ours, Path(f"/user.slice/user-{user}.slice/user@{user}.service")]
            for group in dict.fromkeys(below):
                one = Path(place, *group.parts[1:])
                try:
                    passed_on = (one / "cgroup.subtree_control").read_text().split()
                except OSError as error:
                    yield f"{one}: {error.strerror}"
                    continue
                if what in passed_on:
                    yield one, *FILES[2, what]
                else:
                    yield f"{one} passes on {' '.join(passed_on) or 'no limits'}, not {what}"


def made_group(known: Iterable[Group | str], name: str, limit: int) -> Path:
    """A new control group of so many bytes; skips, with the reasons, where none can be made."""
    reasons: list[str] = []
    for group in known:
        if isinstance(group, str):
            reasons.append(group)
            continue
        place, of_limit, of_swap = group
        try:
            (place / name).mkdir()
            (place / name / of_limit).write_text(str(limit))
            if of_swap and (place / name / of_swap).exists():
                (place / name / of_swap).write_text("0" if of_swap.endswith("max") else str(limit))
            return place / name
        except OSError as error:
            reasons.append(f"{place / name}: {error.strerror}")
    pytest.skip(f"no control group with a limit can be made here: {'; '.join(reasons) or 'none is mounted'}")


def entered(group: Path, *command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run *command* within *group*; skips where this process may not enter it."""
    tasks = str(group / "cgroup.procs")
    if subprocess.run(["sh", "-c", ENTER, tasks, "true"], capture_output=True, timeout=100).returncode:
        pytest.skip(f"a process may not be moved into the control group {group}")
    return subprocess.run(["sh", "-c", ENTER, tasks, *command], cwd=cwd, capture_output=True, text=True, timeout=100)


def killed_by(group: Path) -> str:
    """What the kernel says of the group in which it ended a command: its own memory, or pages that no disk took."""
    said = ["", f"the group {group.name} after its end by signal 9:"]
    for name in ("memory.failcnt", "memory.max_usage_in_bytes", "memory.peak", "memory.oom_control", "memory.events"):
        with contextlib.suppress(OSError):
            said.append(f"{name}: {' '.join((group / name).read_text().split())}")
    return "\n".join(said)


@contextlib.contextmanager
def limited(what: str) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """Runs commands each within a group of its own: ``run(limit, *command, cwd=…)``."""
    made: list[Path] = []

    def run(limit: int, *command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        own = Path("/proc/self/cgroup").read_text()
        known = groups(Path("/proc/self/mountinfo").read_text(), own, os.getuid(), what)
        made.append(made_group(known, f"tapechain-test-{os.getpid()}-{len(made)}", limit))
        done = entered(made[-1], *command, cwd=cwd)
        if done.returncode in {-9, 137}:
            done.stderr += killed_by(made[-1])
        return done

    yield run
    for one in made:
        with contextlib.suppress(OSError):
            one.rmdir()
