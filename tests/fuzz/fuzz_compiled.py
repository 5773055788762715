"""Compiled plans that no compiler wrote: drawn, compared, rehearsed; run, where no command or folder differs."""

from __future__ import annotations

import copy
import json
import random
from functools import cache
from pathlib import Path
from typing import Any

import fuzz_world as fuzz
from fuzz_world import NASTY, number

COMMANDS: list[list[str]] = [
    ["dry"],
    ["dry"],
    ["run"],
    ["run"],
    ["diagram"],
    ["mermaid"],
    ["diff"],
    ["objects"],
    ["verify"],
    ["restore"],
    ["drill"],
    ["recycle"],
    ["label"],
]
#: What a plan may say that its user did not mean: the sandbox is no place for other commands and other folders.
_TRUSTED = {"command", "files", "stream", "volumes", "spool", "base", "state", "catalog", "path"}


def _build(folder: Path) -> None:
    (folder / "tree").mkdir()
    (folder / "tree" / "one").write_text("one" * 50)
    (folder / "plan.tc").write_text(fuzz.PLAN)
    assert fuzz.command("compile", "plan.tc")[0] == 0
    assert fuzz.command("run", "plan.plan.json")[0] == 0


@cache
def sandbox() -> fuzz.Sandbox:
    """This process's folder."""
    return fuzz.Sandbox(_build)


def seeds() -> list[bytes]:
    """Recipes to begin with."""
    first: list[list[Any]] = [
        ["set", 3, 0],
        ["set", 10, None],
        ["set", 20, "x"],
        ["drop", 5],
        ["same", 4, 9],
        ["set", 2, 1 << 40],
        ["set", 30, []],
        ["text", 50, "7b"],
        ["cut", 200],
    ]
    return [json.dumps({"ops": [op], "do": [do]}).encode() for op, do in zip(first, COMMANDS, strict=False)]


def _op(chosen: random.Random) -> list[Any]:
    where = chosen.randrange(200)
    value = chosen.choice(
        [*NASTY, "a", "R1", "s", "read", "write", "object", "interleave", "files", "latest(s)", "all"]
    )
    return chosen.choice(
        [
            ["set", where, value],
            ["set", where, value],
            ["set", where, value],
            ["drop", where],
            ["same", where, chosen.randrange(200)],
            ["add", where, chosen.choice(["depth", "size", "level", "x"]), value],
            ["text", chosen.randrange(3000), chosen.randbytes(2).hex()],
            ["cut", chosen.randrange(3000)],
        ]
    )


def mutated(chosen: random.Random, pool: list[bytes]) -> bytes:
    """A new recipe."""
    return fuzz.bend(chosen, pool, _op, COMMANDS)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [place for key, inner in items for place in _places(inner, (*path, key))]


def _at(document: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        document = document[key]
    return document


def _bent(document: Any, ops: list[list[Any]]) -> bytes:
    for name, *rest in ops:
        places = _places(document)
        if name in ("set", "drop", "same", "add") and rest and places:
            *where, key = places[number(rest[0], len(places))]
            inside = _at(document, tuple(where))
            if name == "drop":
                del inside[key]
            elif name == "set" and len(rest) > 1:
                inside[key] = rest[1]
            elif name == "same" and len(rest) > 1:
                inside[key] = copy.deepcopy(_at(document, places[number(rest[1], len(places))]))
            elif name == "add" and len(rest) > 2 and isinstance(inside, dict):
                inside[str(rest[1])] = rest[2]
    text = bytearray(json.dumps(document, ensure_ascii=True).encode())
    for name, *rest in ops:
        if name == "cut" and rest:
            del text[number(rest[0], len(text) + 1) :]
        elif name == "text" and len(rest) > 1 and text:
            at = number(rest[0], len(text))
            text[at : at + 1] = str(rest[1]).encode("utf-8", "replace")[:8]
    return bytes(text)


def _trusted(value: Any) -> list[Any]:
    """What the document says of commands, folders and files, in order."""
    if isinstance(value, dict):
        return [
            part
            for key, inner in sorted(value.items())
            for part in ([key, inner] if key in _TRUSTED else _trusted(inner))
        ]
    return [part for inner in value for part in _trusted(inner)] if isinstance(value, list) else []


def examine(content: bytes) -> None:
    """Change the compiled plan as the recipe says and use it. Raises AssertionError for what may not be."""
    recipe = fuzz.recipe_of(content[: 64 << 10])
    box = sandbox()
    world = box.fresh()
    path = world / "plan.plan.json"
    document = json.loads(path.read_text())
    text = _bent(copy.deepcopy(document), recipe["ops"][:12])
    path.write_bytes(text)
    try:
        harmless = _trusted(json.loads(text)) == _trusted(document)
    except (ValueError, RecursionError):
        harmless = True
    with box.inside():
        for do in recipe["do"][:4]:
            _do(world, str(do[0]), harmless=harmless)
            box.nothing_outside()


def _do(world: Path, word: str, *, harmless: bool) -> None:
    before = fuzz.images(world)
    if word in ("run", "label", "recycle", "restore", "drill") and not harmless:
        word = "dry"
    plan = ("--plan", "plan.plan.json")
    fuzz.command(
        *{
            "run": ("run", "plan.plan.json", "--report", "report.json"),
            "diagram": ("diagram", "plan.plan.json", "-o", "x.dot"),
            "mermaid": ("diagram", "plan.plan.json", "-o", "x.mmd"),
            "diff": ("diff", "plan.tc", "plan.plan.json"),
            "objects": ("objects", *plan),
            "verify": ("verify", *plan),
            "restore": ("restore", "s", *plan, "--to", "to"),
            "drill": ("drill", "plan.plan.json", "--progress", "none"),
            "label": ("volume", "label", "R1", *plan),
            "recycle": ("volume", "recycle", "R1-000001", "--yes", *plan),
        }.get(word, ("run", "plan.plan.json", "--dry-run"))
    )
    fuzz.kept(before, fuzz.images(world))
