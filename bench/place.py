"""A folder in memory, the programs in it, and what every contender leaves behind there."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import machine
from measure import Contender, nothing

DRIVES = ("R1", "R2", "R3")


@dataclass(frozen=True, slots=True)
class Scale:
    """How much: the stream's bytes, small files, bytes of each of six streams, records of the engine.

    ``systems`` divides all of it for the backup systems, which take many times as long; ``trees`` are real files to be
    compressed and encrypted; ``paced`` is how long a drive of a fixed rate takes, seconds. ``warm``: a round before the
    others that does not count.
    """

    stream: int
    files: int
    each: int
    records: int
    systems: int
    trees: tuple[str, ...]
    paced: float
    warm: bool

    def part(self, divisor: int) -> Scale:
        """A *divisor*-th of it, but for the real files."""
        return replace(
            self,
            stream=max(1 << 20, self.stream // divisor),
            files=max(200, self.files // divisor),
            each=max(1 << 20, self.each // divisor),
            records=max(2000, self.records // divisor),
        )


FULL = Scale(2 << 30, 50_000, 256 << 20, 200_000, 4, ("/usr/share", "/usr/lib/python3"), 2.0, True)
SMALL = Scale(8 << 20, 200, 2 << 20, 2_000, 1, ("/usr/share/doc/bash", "/usr/share/doc/tar"), 0.2, False)


class Place:
    """Where one work is measured. Everything lies below ``folder``, which is its caller's to remove."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tcc = machine.tcc()

    @cached_property
    def floors(self) -> bool:
        """``floor.c`` and ``floor_tree.c`` as programs in the folder, where there is a compiler."""
        compiler = shutil.which("cc")
        if compiler is None:
            return False
        for name in ("floor", "floor_tree"):
            source = Path(__file__).with_name(f"{name}.c")
            subprocess.run([compiler, "-O2", "-pthread", source, "-o", self.folder / name], check=True)
        return True

    # ------------------------------------------------------------ ours

    def plan(self, name: str, text: str) -> None:
        """Compile a plan; what is measured is the run of the compiled one."""
        (self.folder / f"{name}.tc").write_text(text)
        done = subprocess.run([self.tcc, "compile", f"{name}.tc"], cwd=self.folder, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{name}.tc does not compile:\n{text}\n{done.stderr}")

    def run_once(self, name: str, *, state: str = "kept-state") -> None:
        """Run a compiled plan, not measured."""
        command = [self.tcc, "run", f"{name}.plan.json", "--state", state, "--progress", "none"]
        subprocess.run(command, cwd=self.folder, check=True)

    def ours(
        self, name: str, *, called: str = "tcc", state: str = "state", check: Callable[[], None] = nothing
    ) -> Contender:
        """The run of a compiled plan, after which all of its objects are whole and stored on every drive."""
        command = [self.tcc, "run", str(self.folder / f"{name}.plan.json"), "--state", str(self.folder / state)]
        command += ["--progress", "none", "--report", str(self.folder / "report.json")]

        def stored() -> None:
            report = self.report()
            lacking = [o for o in report["objects"] if o["status"] != "whole" or _not_stored(o)]
            if report["status"] != "ok" or lacking or not report["objects"]:
                raise SystemExit(f"{called}: not all was stored: {report['status']}, {lacking}")
            check()

        return Contender(called, command, check=stored, clean=self.clean, inside=lambda: self.report()["seconds"])

    def command(
        self, *words: str, prepare: Callable[[], None] = nothing, check: Callable[[], None] = nothing
    ) -> Contender:
        """Another command of ours, by a clock of its own without its start (``inside.py``)."""
        seconds = self.folder / "seconds"
        inside = [sys.executable, str(Path(__file__).with_name("inside.py")), str(seconds), *words]
        return Contender("tcc", inside, prepare, check, self.clean, inside=lambda: float(seconds.read_text()))

    def report(self) -> dict:
        """The last run's."""
        return json.loads((self.folder / "report.json").read_text())

    def tar_of(self, name: str) -> str | None:
        """The very tar command that the run of a compiled plan would start, archive to standard output."""
        command = [self.tcc, "run", f"{name}.plan.json", "--state", "unused-state", "--dry-run"]
        said = subprocess.run(command, cwd=self.folder, check=True, capture_output=True, text=True).stdout
        return next((line.strip()[6:] for line in said.splitlines() if line.startswith("  runs: tar ")), None)

    # ------------------------------------------------------------ others

    def shell(self, called: str, script: str, *, least: int = 0, files: int = 0) -> Contender:
        """A pipeline of a shell in the folder, after which out0, out1, … hold at least *least* bytes each."""

        def check() -> None:
            found = [(self.folder / f"out{n}").stat().st_size for n in range(files)]
            if any(size < least for size in found):
                raise SystemExit(f"{called}: not all bytes are there: {found}, not {least}")

        command = ["bash", "-o", "pipefail", "-c", f"cd {self.folder} && {{ {script}; }}"]
        return Contender(called, command, check=check, clean=self.clean)

    def clean(self) -> None:
        """Take away what a run has made."""
        for path in self.folder.glob("out[0-9]*"):
            path.unlink()
        for name in (*DRIVES, "N1", "N2", "state", "back"):
            shutil.rmtree(self.folder / name, ignore_errors=True)


def _not_stored(entry: dict) -> bool:
    return any(copy["status"] != "stored" for copy in entry["copies"]) or not entry["copies"]


def mirrored(sources: str, buffers: Sequence[str], *, head: str = "", drives: Sequence[str] = DRIVES) -> str:
    """A plan of a backup group on the first drive and a mirroring stage for each further one."""
    text = [f"plan bench {{ {head} }}", sources]
    before = ""
    for n, drive in enumerate(drives):
        text.append(f'drive {drive} {{ volumes = "{drive}" }}')
        if n == 0:
            couplings = "  ".join(f"B{k} <- {name}" for k, name in enumerate(buffers))
            text.append(f"backup group g0 {{ agent A0 -> {drive} {{ {couplings} }} }}")
        else:
            text.append(f"mirror group g{n} of g{n - 1} {{ agent A{n} -> {drive} {{ * <- {before} }} }}")
        before = f"A{n}"
    return "\n".join(text)
