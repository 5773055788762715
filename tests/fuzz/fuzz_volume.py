"""Volumes that nobody wrote: members lost, doubled, moved, forged with right digests, cut, under strange names."""

from __future__ import annotations

import contextlib
import json
import os
import random
from functools import cache
from pathlib import Path
from typing import Any

import fuzz_world as fuzz
from bend_volume import POINTER_KEYS, Bent, member
from fuzz_world import NASTY

COMMANDS: list[list[str]] = [
    ["verify"],
    ["verify"],
    ["verify-from"],
    ["rebuild"],
    ["rebuild"],
    ["restore", "s"],
    ["restore", "s"],
    ["restore", "t"],
    ["restore", "big"],
    ["from", "s"],
    ["from", "s"],
    ["from", "t"],
    ["from", "e"],
    ["from", "big"],
    ["files"],
    ["path"],
    ["show"],
    ["append"],
    ["append"],
    ["append"],
    ["copy"],
    ["copy"],
    ["recycle"],
    ["label"],
    ["drill"],
    ["dry"],
]
#: Operations that leave every digest as it is: what they harm must be noticed.
HONEST = {"poke", "cut", "drop", "swap", "fill"}
_LABEL_KEYS = "tapechain volume name drive agent pool created plan fingerprint session number started record capacity"
_RECORD_KEYS = "sequence size last source plan session number started kind level parent compress encrypt object payload"
_INDEX_KEYS = "tapechain volume session number plan fingerprint drive agent started ended seconds state first previous"
_OBJECT_KEYS = (
    "source object kind level parent compress encrypt first last first_sequence records bytes state continued continues"
    " drives unread warnings origin"
)


def _build(folder: Path) -> None:
    support = fuzz.support()
    world = support.World(folder)
    (folder / "tree").mkdir()
    (folder / "tree" / "file").write_text("content\n")
    tree = support.archive([member("tree/a", b"a" * 700), member("tree/b", b"b")])
    item = support.Item
    world.run({"s": bytes(range(256)) * 280, "t": item(tree, "files"), "e": b""}, ("R1", "R2"))
    world.run({"s": b"newer", "t": item(tree, "files")}, ("R1", "R2"))
    world.run({"big": os.urandom(150_000)}, ("R3",), capacity=140_000)
    (folder / "plan.tc").write_text(fuzz.PLAN)
    (folder / "copy.tc").write_text(fuzz.COPY)
    for name in ("plan", "copy"):
        assert fuzz.command("compile", f"{name}.tc")[0] == 0


@cache
def sandbox() -> fuzz.Sandbox:
    """This process's folder."""
    return fuzz.Sandbox(_build)


def seeds() -> list[bytes]:
    """Recipes to begin with: one of each operation."""
    first = [
        ["drop", 0, 1],
        ["twice", 0, 2],
        ["swap", 0, 1, 2],
        ["move", 0, 1, 1, 3],
        ["cut", 0, 70_000],
        ["cut", 2, 20_000],
        ["poke", 0, 20_000, "ff"],
        ["fill", 0, 3, 2, 1],
        ["end", 0, 3],
        ["label", 0, "record", 1 << 24],
        ["record", 0, 1, "sequence", 0],
        ["record", 0, 1, "size", 1 << 24],
        ["record", 0, 2, "last", 1],
        ["record", 0, 1, "compress", "zstd"],
        ["record", 0, 1, "payload", "zstd"],
        ["record", 0, 1, "payload", "tar"],
        ["index", 0, 0, "first", 16_384],
        ["object", 0, 0, 0, "records", 1 << 40],
        ["object", 0, 0, 0, "source", ".."],
        ["pointer", 0, 0, "size", 1 << 26],
        ["name", 0, "R1-000009.tar"],
        ["double", 0, "R1-000002.tar"],
        ["link", "R1-000003.tar", "../../../outside/secret"],
        ["fifo", "R1-000004.tar"],
        ["folder", "R1-000005.tar"],
    ]
    return [json.dumps({"ops": [op], "do": [do]}).encode() for op, do in zip(first, COMMANDS, strict=False)]


def _op(chosen: random.Random) -> list[Any]:
    v, i, value = chosen.randrange(4), chosen.randrange(12), chosen.choice([*NASTY, chosen.randrange(200_000)])
    size = chosen.choice([chosen.randrange(200_000), chosen.randrange(400) * 512, 16_384, 0])
    return chosen.choice(
        [
            ["drop", v, i],
            ["twice", v, i],
            ["swap", v, i, chosen.randrange(12)],
            ["move", v, i, chosen.randrange(4), chosen.randrange(12)],
            ["cut", v, size],
            ["poke", v, size, chosen.randbytes(chosen.choice([1, 1, 8, 600])).hex()],
            ["fill", v, i, chosen.randrange(300), chosen.choice([0, 255])],
            ["end", v, chosen.randrange(-4, 9)],
            ["label", v, chosen.choice(_LABEL_KEYS.split()), value],
            ["record", v, i, chosen.choice(_RECORD_KEYS.split()), value],
            ["record", v, i, chosen.choice(_RECORD_KEYS.split()), value],
            ["record", v, i, "payload", chosen.choice(["zstd", "tar", "volume", "", "00" * 700])],
            ["index", v, i, chosen.choice(_INDEX_KEYS.split()), value],
            ["object", v, i, chosen.randrange(3), chosen.choice(_OBJECT_KEYS.split()), value],
            ["object", v, i, chosen.randrange(3), chosen.choice(_OBJECT_KEYS.split()), value],
            ["pointer", v, i, chosen.choice(POINTER_KEYS.split()), value],
            ["name", v, f"R1-{chosen.randrange(12):06d}.tar"],
            ["double", v, f"R1-{chosen.randrange(12):06d}.tar"],
            ["link", f"R1-{chosen.randrange(12):06d}.tar", chosen.choice(["../../../outside/secret", "R1-000001.tar"])],
            ["fifo", f"R1-{chosen.randrange(12):06d}.tar"],
            ["folder", f"R1-{chosen.randrange(12):06d}.tar"],
        ]
    )


def mutated(chosen: random.Random, pool: list[bytes]) -> bytes:
    """A new recipe."""
    return fuzz.bend(chosen, pool, _op, COMMANDS)


# ---------------------------------------------------------------- what must hold


def examine(content: bytes) -> None:
    """Bend the world as the recipe says, let the commands meet it. Raises AssertionError for what may not be."""
    recipe = fuzz.recipe_of(content[: 64 << 10])
    box = sandbox()
    world = box.fresh()
    intact = fuzz.all_records(fuzz.images(world))
    bent = Bent(world)
    for op in recipe["ops"][:12]:
        with contextlib.suppress(Exception):  # what cannot be done to this volume is left
            bent.apply(op)
    for volume in bent.volumes:
        if volume.path.parent.is_dir() and not volume.path.is_dir() and not volume.path.is_fifo():
            if volume.path.is_symlink():
                continue
            volume.path.write_bytes(volume.data())
    with box.inside():
        for do in recipe["do"][:4]:
            _do(world, do, recipe["ops"], intact)
            box.nothing_outside()


def _do(world: Path, do: list[Any], ops: list[list[Any]], intact: fuzz.Records) -> None:
    before = fuzz.images(world)
    word = str(do[0])
    source = str(do[1]) if len(do) > 1 and do[1] in ("s", "t", "e", "big") else "s"
    plan = ("--plan", "plan.plan.json")
    writes = word in ("append", "copy", "recycle", "label")
    if word in ("restore", "from", "path", "dry"):
        _restore(world, word, source, before)
    elif word == "append":
        code, _, _ = fuzz.command("run", "plan.plan.json", "--report", "report.json")
        _true_report(world, code)
    elif word == "copy":
        code, _, _ = fuzz.command("run", "copy.plan.json", "--report", "report.json", "--state", "state2")
        if code in (0, 3) and (world / "fresh").exists():
            _copied(world, before)
    elif word == "verify":
        code, _, _ = fuzz.command("verify", *plan)
        harmed = {op[0] for op in ops} <= HONEST and set(intact) - set(fuzz.all_records(before))
        assert code == 1 or not harmed, f"verify says {code} of {sorted(harmed)} lost"
    else:
        fuzz.command(
            *{
                "verify-from": ("verify", "media/R1", "media/R3", "--state", "none"),
                "rebuild": ("catalog", "rebuild", "media", "--state", "state3"),
                "files": ("files", "t", "--from", "media"),
                "show": ("volume", "show", *map(str, sorted(world.glob("media/R1/*.tar"))[:1] or ["x"])),
                "recycle": ("volume", "recycle", "R1-000001", "--yes", *plan),
                "label": ("volume", "label", "R1", *plan),
                "drill": ("drill", "plan.plan.json", "--progress", "none"),
            }.get(word, ("objects", "--json", *plan))
        )
        if word == "rebuild":
            fuzz.command("objects", "--json", "--state", "state3")
            fuzz.command("verify", "--state", "state3")
    after = fuzz.images(world)
    if writes:
        fuzz.kept(before, after)
    else:
        assert after == before, f"{word} changed the media"


def _restore(world: Path, word: str, source: str, before: dict[str, bytes | str]) -> None:
    to = f"to-{len(list(world.glob('to-*')))}"
    where = ("--plan", "plan.plan.json") if word == "restore" else ("--from", "media")
    more = ("--path", "tree/*") if word == "path" else ("--dry-run",) if word == "dry" else ()
    code, _, _ = fuzz.command("restore", "t" if word == "path" else source, "--to", to, *where, *more)
    written = world / to / source
    if code == 0 and word in ("restore", "from") and written.is_file():
        assert fuzz.is_whole(written.read_bytes(), fuzz.all_records(before)), f"{source} came back as nobody stored it"


def _true_report(world: Path, code: int) -> None:
    """What is called stored comes back."""
    path = world / "report.json"
    if not path.exists():
        assert code in (1, 2)
        return
    report = json.loads(path.read_text())
    for entry in report["objects"]:
        stored = [copy for copy in entry["copies"] if copy["status"] == "stored"]
        if entry["source"] == "s" and stored and entry["status"] == "whole":
            code, _, err = fuzz.command(
                "restore",
                "night/s",
                "--object",
                entry["object"],
                "--to",
                f"back-{entry['object']}",
                "--plan",
                "plan.tc",
            )
            assert code == 0, f"{entry} is stored, and does not come back: {err}"
            assert (world / f"back-{entry['object']}" / "s").read_bytes() == b"new"


def _copied(world: Path, before: dict[str, bytes | str]) -> None:
    """What a copy run calls stored lies on its target, whole, and is what a source held."""
    report = json.loads((world / "report.json").read_text())
    there = fuzz.all_records({str(p): p.read_bytes() for p in (world / "fresh").rglob("*.tar")})
    sources = fuzz.all_records(before)
    for key, payloads in there.items():
        assert all(one in sources.get(key, ()) for one in payloads), f"{key} was made up"
    for entry in report["objects"]:
        if any(copy["status"] == "stored" for copy in entry["copies"]):
            count = entry["records"]
            ends = there.get((entry["object"], count - 1), ())
            assert all((entry["object"], n) in there for n in range(count)), f"{entry} lacks records"
            assert any(last for _, last in ends), f"{entry} has no end"
