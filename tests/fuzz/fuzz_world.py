"""A small world of magazines that is bent out of shape, read by the real commands, and looked at afterwards.

A *recipe* is a JSON object: ``ops``, what is done to the world's files (each a list: the operation's name, then its
arguments), and ``do``, the commands that meet them. ``tools/fuzz`` makes recipes for hours; the tests here examine
those of the corpus and some new ones.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import random
import resource
import shutil
import signal
import stat
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from tapechain.cli import main as cli_main
from tapechain.runtime.kinds import RECORD_BYTES_MAX
from tapechain.runtime.media.record import HEADER_BYTES, BadRecord, check

#: Processor seconds and bytes that one command may take on a world of half a megabyte.
SECONDS = 20.0
WALL_SECONDS = 30
GROWTH_BYTES = 600 << 20
PLAN = """
plan night { record = 64KiB  depth = 2 }
source s { command = ["printf", "new"] }
source t { files = "tree" }
drive R1 { volumes = "media/R1" }
drive R2 { volumes = "media/R2" }
backup group b { agent a -> R1 { B1 <- s  B2 <- t } }
mirror group m of b { agent c -> R2 { * <- a } }
"""
COPY = """
plan fresh { record = 64KiB  depth = 2 }
drive R1 { volumes = "media/R1" }
drive N1 { volumes = "fresh/N1" }
restore group old { agent A <- R1 { B1 <- all } }
copy group new of old { agent B -> N1 { * <- A } }
"""
#: Values that no honest writer puts anywhere.
NASTY: list[Any] = [
    -1, 0, 1, 2, 511, 512, 16_383, 16_384, 65_536, 1 << 31, 1 << 32, 1 << 53, (1 << 63) - 1, 1 << 63, 10**18, 10**30,
    0.5, -1e300, 1e300, True, False, None, "", ".", "..", "../../outside/x", "/tmp/tcc-evil", "a/b", "a\0b", "\x1b[2J",
    "\ud800", "\u202e", "x" * 1025, "whole", "cut-off", "failed", "ended", "recovered", "files", "stream", "command",
    "full", "incremental", "zstd", "age", "R1", "R2", "R9", "R1-000001", "2026-01-01T00:00:00.000Z",
    "9999-99-99T99:99:99.999Z", "0", "00000000-0000-7000-8000-000000000000", [], {}, [1], ["x"] * 50,
    {"id": 0}, {"id": 1}, {"id": 2}, {"id": 7}, {"pos": [0, 1]}, {"pos": [0, 3]}, {"pos": [1, 2]},
]  # fmt: skip


def support() -> ModuleType:
    """``tests/support/world.py``."""
    path = Path(__file__).parents[1] / "support" / "world.py"
    name = "tapechain_fuzz_support"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


class Sandbox:
    """One folder for a process: ``w`` is the world, made anew from a pristine copy for each recipe."""

    def __init__(self, build: Callable[[Path], None]) -> None:
        self.top = Path(tempfile.mkdtemp(prefix="tcc-fuzz-"))
        self.world = self.top / "w"
        self._pristine = self.top / "pristine"
        (self.top / "outside").mkdir()
        (self.top / "outside" / "secret").write_bytes(b"secret")
        self.world.mkdir()
        with self.inside():
            build(self.world)
        shutil.copytree(self.world, self._pristine, symlinks=True)
        self._around = self._listing()

    def fresh(self) -> Path:
        """The world as it was built."""
        for folder, folders, _ in os.walk(self.world):
            for name in folders:
                path = os.path.join(folder, name)
                if not os.path.islink(path):  # what it leads to lies outside
                    os.chmod(path, 0o700)
        shutil.rmtree(self.world)
        shutil.copytree(self._pristine, self.world, symlinks=True)
        return self.world

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """Commands run in the world, with a state folder, a temporary folder and an environment of their own."""
        before, names = os.getcwd(), ("TCC_STATE", "CI", "TMPDIR", "TCC_IDENTITY")
        kept = {name: os.environ.get(name) for name in names}
        os.chdir(self.world)
        os.environ |= {"TCC_STATE": str(self.world / "state"), "CI": "1", "TMPDIR": str(self.world)}
        tempfile.tempdir = None
        try:
            yield
        finally:
            os.chdir(before)
            for name, value in kept.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
            tempfile.tempdir = None

    def nothing_outside(self) -> None:
        """Nothing was written beside the world."""
        assert self._listing() == self._around, "something was written outside"

    def _listing(self) -> list[tuple[str, int, int, int]]:
        found = []
        for folder in (self.top, self.top / "outside"):
            for path in sorted(folder.iterdir()):
                facts = path.lstat()
                if path.name != "w":
                    found.append(
                        (path.name, facts.st_mode, facts.st_size * stat.S_ISREG(facts.st_mode), facts.st_nlink)
                    )
        return found

    def close(self) -> None:
        """Remove it all."""
        self.fresh()
        shutil.rmtree(self.top)


class Found(BaseException):
    """A command did what no command may do; nothing that a command catches."""


def _too_long(*_: object) -> None:
    raise Found(f"it hangs: {''.join(traceback.format_stack()[-6:])}")


def command(*words: str) -> tuple[int, str, str]:
    """Run ``tcc WORDS`` in this process: exit code, standard output, standard error. Raises what no user may see."""
    out, err = io.StringIO(), io.StringIO()

    def internal(error: Exception) -> int:
        raise Found(f"{words}: internal error") from error

    kept = cli_main._internal_error
    cli_main._internal_error = internal
    began, held = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    before = signal.signal(signal.SIGALRM, _too_long)
    timer = signal.setitimer(signal.ITIMER_REAL, WALL_SECONDS)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = cli_main._main(list(words))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before or signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, *timer)
        cli_main._internal_error = kept
    said = out.getvalue() + err.getvalue()
    spent = time.process_time() - began
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - held) << 10
    if code not in (0, 1, 2, 3):
        raise Found(f"{words}: exit code {code}")
    if "internal error" in said or "Traceback" in said:
        raise Found(f"{words}: {said}")
    harmful = {c for c in said if not (c.isprintable() or c in "\n\t")}
    if harmful:
        raise Found(f"{words}: says {sorted(map(ascii, harmful))}")
    if code and not err.getvalue().strip() and not out.getvalue().strip():
        raise Found(f"{words}: exit code {code} without a word")
    if spent > SECONDS or grown > GROWTH_BYTES:
        raise Found(f"{words}: {spent:.1f} s, {grown >> 20} MiB more")
    return code, out.getvalue(), err.getvalue()


# ---------------------------------------------------------------- what is true of media


def images(world: Path) -> dict[str, bytes | str]:
    """Every file below the magazines: its bytes; of what is no file, what it is."""
    found: dict[str, bytes | str] = {}
    for folder in ("media",):
        for path in sorted((world / folder).rglob("*")):
            facts = path.lstat()
            name = str(path.relative_to(world))
            found[name] = path.read_bytes() if stat.S_ISREG(facts.st_mode) else f"{stat.S_IFMT(facts.st_mode):o}"
    return found


Records = dict[tuple[str, int], list[tuple[bytes, bool]]]


def sound_records(image: bytes) -> dict[int, tuple[str, int, bytes, bool]]:
    """Position → object, sequence, payload, last: each block of *image* at which a sound record begins."""
    found = {}
    at = image.find(b" comment=tapechain=1 ")
    while at >= 0:
        start = (at // 512) * 512 - 512
        if start >= 0:
            with contextlib.suppress(BadRecord):
                header = check(image[start : start + RECORD_BYTES_MAX])
                payload = image[start + HEADER_BYTES : start + HEADER_BYTES + header.payload_bytes]
                found[start] = (header.object_id, header.sequence, payload, header.last)
        at = image.find(b" comment=tapechain=1 ", at + 1)
    return found


def all_records(world: dict[str, bytes | str]) -> Records:
    """Object and sequence → the payloads that sound records have, and whether they end it."""
    found: Records = {}
    for image in world.values():
        if isinstance(image, bytes):
            for object_id, sequence, payload, last in sound_records(image).values():
                found.setdefault((object_id, sequence), []).append((payload, last))
    return found


def is_whole(data: bytes, records: Records) -> bool:
    """Whether *data* is what the records 0…n of one object hold, n being a last one."""
    return any(_follows(data, 0, key, 0, records) for key in {key for key, _ in records})


def _follows(data: bytes, at: int, key: str, sequence: int, records: Records) -> bool:
    for payload, last in records.get((key, sequence), ()):
        end = at + len(payload)
        if data[at:end] == payload and ((last and end == len(data)) or _follows(data, end, key, sequence + 1, records)):
            return True
    return False


def kept(before: dict[str, bytes | str], after: dict[str, bytes | str]) -> None:
    """What was there is there still: each sound record at its place, all that is no volume as it was."""
    for name, image in before.items():
        now = after.get(name)
        assert now is not None, f"{name} is gone"
        if not isinstance(image, bytes) or not isinstance(now, bytes):
            assert now == image, f"{name} is another"
            continue
        lost = [at for at, found in sound_records(image).items() if sound_records(now).get(at) != found]
        assert not lost, f"{name}: the records at {lost} are not what they were"


# ---------------------------------------------------------------- recipes


def recipe_of(content: bytes) -> dict[str, Any]:
    """The recipe in *content*, with ``ops`` and ``do`` as lists of lists; an empty one where it is none."""
    try:
        recipe = json.loads(content)
    except (ValueError, RecursionError):
        return {"ops": [], "do": []}
    if not isinstance(recipe, dict):
        return {"ops": [], "do": []}
    return {
        key: [op for op in recipe.get(key) or () if isinstance(op, list) and op and isinstance(op[0], str)]
        if isinstance(recipe.get(key), list)
        else []
        for key in ("ops", "do")
    }


def bend(
    chosen: random.Random,
    pool: list[bytes],
    new_op: Callable[[random.Random], list[Any]],
    commands: list[list[str]],
    *,
    most: int = 8,
) -> bytes:
    """A new recipe out of those in *pool*: operations put in, taken out, changed, taken from another."""
    recipe = recipe_of(chosen.choice(pool))
    ops = recipe["ops"]
    for _ in range(chosen.choice([1, 1, 1, 2, 3])):
        kind = chosen.random()
        if kind < 0.5 or not ops:
            ops.insert(chosen.randrange(len(ops) + 1), new_op(chosen))
        elif kind < 0.65:
            del ops[chosen.randrange(len(ops))]
        elif kind < 0.85:
            op = chosen.choice(ops)
            if len(op) > 1:
                op[chosen.randrange(1, len(op))] = chosen.choice([*NASTY, chosen.randrange(400_000)])
        else:
            ops += chosen.sample(other, min(2, len(other))) if (other := recipe_of(chosen.choice(pool))["ops"]) else []
    recipe["ops"] = ops[-most:]
    recipe["do"] = chosen.sample(commands, chosen.choice([1, 2, 2, 3]))
    return json.dumps(recipe).encode()


def number(value: Any, below: int) -> int:
    """Some number from 0 up to *below* that *value* stands for."""
    if below <= 0:
        return 0
    return value % below if isinstance(value, int) else len(repr(value)) % below
