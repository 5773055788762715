"""Places to write that nobody would name: reports, compiled plans, pictures and drafts in the place of what is kept."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import sqlite3
import stat
from functools import cache
from pathlib import Path
from typing import Any

import fuzz_world as fuzz
from tapechain.cli import writing
from tapechain.runtime.sources import snapshots

PLAN = """
plan night { record = 64KiB  depth = 2 }
include "more.tc"
source s { stream = "dump.img" }
source t { files = "tree"  level = "incremental" }
drive R2 { volumes = "media/R2" }
backup group b { agent a -> R1 { B1 <- s  B2 <- t } }
mirror group m of b { agent c -> R2 { * <- a } }
"""
MORE = 'drive R1 { volumes = "media/R1" }\n'
RESTORE = """
plan back { record = 64KiB  depth = 2 }
include "more.tc"
restore group old { agent A <- R1 { B1 <- s  B2 <- t } }
target file { stream = "target.img" }
target folder { files = "target" }
chain A.B1 -> file
chain A.B2 -> folder
"""
KEY = "AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ\n"
#: What must be byte for byte as it was, whatever a command is told to write; the others are looked at by what they say.
KEPT = ("plan.tc", "more.tc", "back.tc", "dump.img", "key.txt", "tree/one", "tree/two\n", "other.plan.json")
#: Names in the world: each is a place to write.
PLACES = [
    "new.json", "report.json", "", ".", "./", "tree", "media", "media/R1", "state", "new/", "missing/new.json", "-",
    "plan.tc", "./tree/../plan.tc", "more.tc", "back.tc", "other.plan.json", "plan.plan.json", "dump.img", "key.txt",
    "tree/one", "tree/new.json", "media/R1/R1-000001.tar", "media/R1/R1-000002.tar", "media/R2/R2-000002.tar",
    "media/R1/new.json", "media/R2/../R1/R1-000001.tar", "state/catalog.sqlite", "state/catalog.sqlite-wal",
    "state/catalog.sqlite-shm", "state/catalog.sqlite-journal", "state/levels/night/t.snapshot", "state/levels",
    "state/levels/night/new", "state/new.json", "state/tapechain-members/x.members", "target.img", "target/new.json",
    "link-plan", "link-volume", "link-catalog", "link-snapshot", "link-new", "link-missing", "link-loop",
    "link-folder", "link-folder/R1-000001.tar", "fifo", "tape", "hard-volume", "hard-plan", "--", "-x",
    "readonly/new.json", "readonly/old.json", "x" * 255, "x" * 256, "x" * 4096, "é" * 127, "日" * 85, "日" * 86,
    "😀" * 63, ("y" * 100 + "/") * 45 + "z", "a\nb", "a\nerror: all is lost", "\x1b[2J", "\x1b]0;x\x07", "\u202egnp.tc",
    "\udcff\udc80", "a\tb", " ", "~", "$HOME", "%s%n", "*", "C:\\x", "dump.img/x", "plan.tc/x", "fifo/x", "x.svg",
    "x.html", "media/R1/R1-000001.tar/../x.svg", "key.svg", "plan.svg", "volume.svg",
]  # fmt: skip
#: Places outside that hold nothing that could be harmed.
OUTSIDE = [
    "/", "/dev/null", "/dev/full", "/dev/zero", "/dev/fd/99", "/proc/self/mem", "/proc/version", "/proc/no", "/sys/no",
]  # fmt: skip
_TO_FILES = "run run run back restore drill junit compile compile check emit diagram diff draft draft force repair"
_TO_FOLDERS = "restore-to scratch several state catalog rebuild"
COMMANDS: list[list[str]] = [[word] for word in f"{_TO_FILES} {_TO_FOLDERS}".split()]


def _build(world: Path) -> None:
    (world / "tree").mkdir()
    for name in ("one", "two\n"):
        (world / "tree" / name).write_text(name * 50)
    (world / "dump.img").write_bytes(bytes(range(256)) * 600)
    (world / "plan.tc").write_text(PLAN)
    (world / "more.tc").write_text(MORE)
    (world / "back.tc").write_text(RESTORE)
    (world / "key.txt").write_text(KEY)
    for plan, out in (("plan.tc", "plan.plan.json"), ("plan.tc", "other.plan.json"), ("back.tc", "back.plan.json")):
        assert fuzz.command("compile", plan, "-o", out)[0] == 0
    for _ in range(2):
        assert fuzz.command("run", "plan.plan.json", "--report", "report.json")[0] == 0
    for name, to in {
        "link-plan": "plan.tc", "link-volume": "media/R1/R1-000001.tar", "link-catalog": "state/catalog.sqlite",
        "link-snapshot": "state/levels/night/t.snapshot", "link-new": "made.json", "link-missing": "missing/made.json",
        "link-loop": "link-loop", "link-folder": "media/R1", "key.svg": "key.txt", "plan.svg": "plan.tc",
        "volume.svg": "media/R1/R1-000001.tar",
    }.items():  # fmt: skip
        (world / name).symlink_to(to)
    (world / "readonly").mkdir()
    (world / "readonly" / "old.json").write_text("{}")


@cache
def sandbox() -> fuzz.Sandbox:
    """The world, built once a process."""
    return fuzz.Sandbox(_build)


# ---------------------------------------------------------------- recipes


def seeds() -> list[bytes]:
    """A run's report at each place, and each command at some of them."""
    found = []
    kinds = list(dict.fromkeys(word for (word,) in COMMANDS))
    places = [*PLACES, *OUTSIDE]
    for n in range(0, len(places), 3):
        some = places[n : n + 3]
        found.append({"ops": [], "do": [*(["run", place] for place in some), [kinds[n // 3 % len(kinds)], some[0]]]})
    for n, kind in enumerate(kinds[1:]):
        at = n * 5
        found.append({"ops": [], "do": [[kind, place] for place in (PLACES * 2)[at : at + 3]]})
    return [json.dumps(recipe).encode() for recipe in found]


def _place(chosen: random.Random) -> str:
    place = chosen.choice([*PLACES, *OUTSIDE] if chosen.random() < 0.1 else PLACES)
    kind = chosen.random()
    if kind < 0.1:
        return f"{place}/{chosen.choice(PLACES)}"
    if kind < 0.15:
        return place + chosen.choice([".svg", ".tc", "/", "/.", "/..", "\n", ".plan.json", "-wal"])
    return place


def _op(chosen: random.Random) -> list[Any]:
    return [
        chosen.choice(["link", "hard", "fifo", "folder", "copy", "empty", "remove"]),
        _place(chosen),
        _place(chosen),
    ]


def mutated(chosen: random.Random, pool: list[bytes]) -> bytes:
    """A new recipe."""
    recipe = fuzz.recipe_of(fuzz.bend(chosen, pool, _op, COMMANDS))
    recipe["do"] = [[word[0], _place(chosen)] for word in recipe["do"]]
    return json.dumps(recipe).encode()


def _apply(world: Path, op: list[Any]) -> None:
    """Put something in a place that holds nothing yet, or nothing that is kept."""
    what, *places = [str(word) for word in op[:3]]
    first, second = [world / place for place in (*places, "a", "b")[:2]]
    inside = [Path(os.path.realpath(place)) for place in (first, second)]
    if not all(place.is_relative_to(world) for place in inside) or (world / "state") in [*inside[0].parents, *inside]:
        return
    if what == "remove" and first.name.startswith(("report", "link", "new")):
        first.unlink()
    elif os.path.lexists(first):
        return
    elif what == "link":
        first.symlink_to(second)
    elif what == "hard":
        os.link(second, first)
    elif what == "fifo":
        os.mkfifo(first)
    elif what == "folder":
        first.mkdir()
    elif what == "copy":
        shutil.copy(second, first)
    elif what == "empty":
        first.touch()


# ---------------------------------------------------------------- what must hold


def examine(content: bytes) -> None:
    """Let commands write where the recipe says. Raises AssertionError for what may not be."""
    recipe = fuzz.recipe_of(content[: 64 << 10])
    box = sandbox()
    world = box.fresh()
    os.mkfifo(world / "fifo")
    with contextlib.suppress(PermissionError):
        os.mknod(world / "tape", 0o600 | stat.S_IFCHR, os.makedev(9, 250))  # where none hangs
    os.link(world / "media" / "R1" / "R1-000001.tar", world / "hard-volume")
    os.link(world / "plan.tc", world / "hard-plan")
    (world / "readonly").chmod(0o500)
    patience, writing.PATIENCE_SECONDS = writing.PATIENCE_SECONDS, 0.02
    try:
        with box.inside():
            for op in recipe["ops"][:12]:
                with contextlib.suppress(OSError, ValueError):
                    _apply(world, op)
            for do in recipe["do"][:4]:
                _do(world, str(do[0]), str(do[1]) if len(do) > 1 else "new.json")
    finally:
        writing.PATIENCE_SECONDS = patience


def _words(word: str, place: str, world: Path) -> tuple[str, ...]:
    plan = ("--plan", "plan.plan.json")
    to = f"to-{len(list(world.glob('to-*')))}"
    return {
        "run": ("run", "plan.plan.json", "--report", place),
        "back": ("run", "back.plan.json", "--overwrite", "--report", place),
        "restore": ("restore", "s", "--to", to, "--report", place, *plan),
        "restore-to": ("restore", "t", "--to", place, *plan),
        "drill": ("drill", "plan.plan.json", "--report", place),
        "junit": ("drill", "plan.plan.json", "--junit", place),
        "scratch": ("drill", "plan.plan.json", "--scratch", place),
        "compile": ("compile", "plan.tc", "-o", place),
        "check": ("compile", "plan.tc", "--check", "-o", place),
        "emit": ("compile", "plan.tc", "--emit", "dot", "-o", place),
        "several": ("compile", "plan.tc", "--emit", "json,mermaid,systemd", "-o", place),
        "diagram": ("diagram", "plan.tc", "-o", place),
        "diff": ("diff", "plan.tc", "back.tc", "-o", place),
        "draft": ("draft", "refresh", "R1-000001", "--to", "R9=fresh", "-o", place, *plan),
        "force": ("draft", "refresh", "R1-000001", "--to", "R9=fresh", "--force", "-o", place, *plan),
        "repair": ("verify", "--repair", "-o", place, *plan),
        "state": ("run", "plan.plan.json", "--state", place),
        "catalog": ("run", "plan.plan.json", "--catalog", place),
        "rebuild": ("catalog", "rebuild", "media", "--catalog", place),
    }[word]  # fmt: skip


def _allowed(world: Path, word: str, place: str) -> bool:
    """Whether nothing but the world can be harmed by it, even if a command is wrong."""
    if "\0" in place or (place == "-" and word not in ("run", "back", "restore", "drill")):
        return False  # no argument of a process; standard output, which is no file here
    inside = Path(os.path.realpath(world / place[:5000])).is_relative_to(world) and ".." not in place.split("/")[:1]
    return inside or (place in OUTSIDE and word in _TO_FILES.split())


def _do(world: Path, word: str, place: str) -> None:
    if word not in {kind for (kind,) in COMMANDS} or not _allowed(world, word, place):
        return
    before = _state(world)
    code, _, err = fuzz.command(*_words(word, place, world))
    _still(world, before, word)
    if word == "run" and code in (0, 3):
        assert len(_objects(world)) > len(before.objects), "what was stored is nowhere told"
        if code == 0 and place != "-" and os.path.isfile(place):
            assert json.loads(Path(place).read_text())["status"] == "ok", f"{place!r} is no report"
    assert "\nerror: all is lost" not in err, "a name passes for a message"


class _State:
    def __init__(self, world: Path) -> None:
        self.images = fuzz.images(world)
        self.files = {name: (world / name).read_bytes() for name in KEPT}
        self.objects = _objects(world)
        self.snapshot = world / "state" / "levels" / "night" / "t.snapshot"
        self.outside = (world.parent / "outside" / "secret").read_bytes()


def _state(world: Path) -> _State:
    return _State(world)


def _objects(world: Path) -> set[str]:
    for suffix in ("-journal", "-wal", "-shm"):
        # A state folder, or a catalog, that was told to lie there shuts this catalog, and does not harm it.
        shutil.rmtree(world / "state" / f"catalog.sqlite{suffix}", ignore_errors=True)
    connection = sqlite3.connect(world / "state" / "catalog.sqlite")
    try:
        return {one for (one,) in connection.execute("SELECT id FROM objects")}
    finally:
        connection.close()


def _still(world: Path, before: _State, word: str) -> None:
    """Volumes, catalog, snapshots, plans, sources and keys are what they were."""
    for name, data in before.files.items():
        if name in ("tree/one", "dump.img") and word != "run":
            continue  # what else is told to write there does so
        if name.endswith(".tc") and word == "force":
            continue  # it is told to put a plan in a plan's place, and not of the one that it reads
        assert (world / name).read_bytes() == data, f"{word} wrote over {name}"
    assert before.objects <= _objects(world), f"{word} took something from the catalog"
    line, _, data = before.snapshot.read_bytes().partition(b"\n")
    assert json.loads(line)["tapechain_snapshot"] == 1 and snapshots.checked(data)
    after = fuzz.images(world)
    if word in ("run", "state", "catalog"):
        fuzz.kept(before.images, after)
    else:
        assert {name: after.get(name) for name in before.images} == before.images, f"{word} changed a volume"
