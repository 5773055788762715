"""The state folder after somebody else was there: catalogs, member lists and snapshots that no run wrote."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import re
import sqlite3
import struct
from functools import cache
from pathlib import Path
from typing import Any

import fuzz_world as fuzz
from fuzz_world import NASTY, number
from xxhash import xxh3_128, xxh3_128_hexdigest

PLAN = """
plan night { record = 64KiB  depth = 2 }
source s { command = ["printf", "new"] }
source t { files = "tree"  level = "incremental" }
drive R1 { volumes = "media/R1"  pool = "month" }
drive R2 { volumes = "media/R2" }
pool month { retention = 30d }
backup group b { agent a -> R1 { B1 <- s  B2 <- t } }
mirror group m of b { agent c -> R2 { * <- a } }
"""
COMMANDS: list[list[str]] = [
    ["objects"],
    ["objects", "--json"],
    ["volumes"],
    ["volumes", "--json"],
    ["sessions"],
    ["sessions", "--json"],
    ["files", "t"],
    ["files", "t", "--json"],
    ["verify"],
    ["restore", "s"],
    ["restore", "t"],
    ["path"],
    ["path"],
    ["run"],
    ["run"],
    ["dry"],
    ["drill"],
    ["recycle"],
    ["label"],
    ["rebuild"],
    ["check"],
    ["draft", "compact"],
    ["draft", "refresh"],
    ["draft", "demultiplex"],
    ["draft", "chain"],
    ["draft", "migrate"],
    ["draft", "catch-up"],
    ["draft", "restore"],
    ["repair"],
    ["copy"],
]
_TABLES = {
    "tapechain_catalog": "version",
    "sessions": "id number plan fingerprint started seconds state reported",
    "volumes": "id name drive agent pool created plan capacity location bytes",
    "indexes": "volume_id session_id drive agent ended seconds state",
    "entries": "volume_id session_id object_id place origin_id source kind level parent compress encrypt first last"
    " first_sequence records bytes state continued continues unread warnings drives",
    "objects": "id session_id source kind level parent compress encrypt bytes records status unread warnings error",
    "copies": "object_id drive agent status error",
}
_HEAD = "tapechain_snapshot plan source object session settings devices size xxh3"
_SQL = [
    "DROP TABLE {t}",
    "DELETE FROM {t}",
    "ALTER TABLE {t} RENAME TO other",
    "ALTER TABLE {t} ADD COLUMN more",
    "CREATE TABLE more (a, b)",
    "INSERT INTO {t} SELECT * FROM {t}",
    "UPDATE tapechain_catalog SET version = 99",
    "UPDATE tapechain_catalog SET version = 0",
    "INSERT INTO tapechain_catalog VALUES (2)",
    "CREATE TRIGGER evil AFTER INSERT ON {t} BEGIN DELETE FROM objects; END",
    "CREATE TRIGGER evil BEFORE UPDATE ON {t} BEGIN SELECT RAISE(ABORT, 'no'); END",
    "CREATE TABLE keep AS SELECT * FROM {t}; DROP TABLE {t}; CREATE VIEW {t} AS SELECT * FROM keep",
    "PRAGMA user_version = 77",
    "PRAGMA application_id = 77",
    "PRAGMA journal_mode = DELETE",
    "UPDATE objects SET parent = id",
    "UPDATE objects SET parent = (SELECT max(id) FROM objects)",
    "UPDATE entries SET parent = object_id",
    "UPDATE volumes SET location = '/dev/zero'",
    "UPDATE volumes SET location = '../outside/secret'",
    "UPDATE entries SET records = 9e15, bytes = 9e15",
]


def _build(folder: Path) -> None:
    (folder / "tree").mkdir()
    for name in ("one", "two\n", "three"):
        (folder / "tree" / name).write_text(name * 50)
    (folder / "plan.tc").write_text(PLAN)
    (folder / "copy.tc").write_text(fuzz.COPY)
    for name in ("plan", "copy"):
        assert fuzz.command("compile", f"{name}.tc")[0] == 0
    for night in range(3):
        (folder / "tree" / f"night{night}").write_text("x" * night)
        assert fuzz.command("run", "plan.plan.json")[0] == 0
    _checkpoint(folder / "state" / "catalog.sqlite")


def _checkpoint(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


@cache
def sandbox() -> fuzz.Sandbox:
    """This process's folder."""
    return fuzz.Sandbox(_build)


def seeds() -> list[bytes]:
    """Recipes to begin with."""
    first: list[list[Any]] = [
        ["set", "objects", 0, "parent", {"id": 0}],
        ["set", "volumes", 0, "location", "/dev/zero"],
        ["sql", 0, "objects"],
        ["delete", "copies", 0],
        ["cut", "catalog", 5000],
        ["cut", "catalog", 0],
        ["poke", "catalog", 0, "00"],
        ["poke", "catalog", 8192, "ff" * 64],
        ["cut", "list", 60],
        ["poke", "list", 30, "ff"],
        ["frame", 0, 1, 1 << 30],
        ["batch", 0, "path", "../../outside/evil"],
        ["cut", "snapshot", 300],
        ["head", "object", "x"],
        ["snapshot", 30, "00"],
        ["instead", "catalog", "folder"],
        ["instead", "list", "fifo"],
        ["instead", "snapshot", "fifo"],
    ]
    return [json.dumps({"ops": [op], "do": [do]}).encode() for op, do in zip(first, COMMANDS, strict=False)]


def _op(chosen: random.Random) -> list[Any]:
    table = chosen.choice([*_TABLES])
    row, value = chosen.randrange(12), chosen.choice([*NASTY, chosen.randrange(200_000)])
    column = chosen.choice(_TABLES[table].split())
    file = chosen.choice(["catalog", "catalog", "list", "snapshot"])
    return chosen.choice(
        [
            ["set", table, row, column, value],
            ["set", table, row, column, value],
            ["set", table, row, column, value],
            ["set", table, "all", column, value],
            ["delete", table, row],
            ["sql", chosen.randrange(len(_SQL)), table],
            ["cut", file, chosen.randrange(80_000)],
            ["poke", file, chosen.randrange(80_000), chosen.randbytes(chosen.choice([1, 4, 600])).hex()],
            ["frame", chosen.randrange(3), chosen.randrange(4), value],
            ["end", chosen.randrange(2), value],
            ["batch", chosen.randrange(6), chosen.choice(["path", "link", "size", "real", "mtime", "blocks"]), value],
            ["bomb", chosen.randrange(300)],
            [
                "head",
                chosen.choice(_HEAD.split()),
                value,
            ],
            ["snapshot", chosen.randrange(2000), chosen.randbytes(chosen.choice([1, 8])).hex()],
            ["instead", file, chosen.choice(["folder", "fifo", "link", "loop", "empty", "text", "zeros"])],
        ]
    )


def mutated(chosen: random.Random, pool: list[bytes]) -> bytes:
    """A new recipe."""
    return fuzz.bend(chosen, pool, _op, COMMANDS)


# ---------------------------------------------------------------- bending


def _files(world: Path) -> dict[str, Path]:
    state = world / "state"
    lists = sorted(state.rglob("*.members"))
    snapshots = sorted(state.rglob("*.snapshot"))
    return {
        "catalog": state / "catalog.sqlite",
        "list": lists[-1] if lists else state / "no.members",
        "snapshot": snapshots[0] if snapshots else state / "no.snapshot",
    }


def _apply(world: Path, op: list[Any]) -> None:
    name, *rest = op
    files = _files(world)
    if name in ("set", "delete", "sql"):
        with contextlib.suppress(sqlite3.Error, OverflowError, UnicodeError):
            _change_rows(files["catalog"], name, rest)
    elif name in ("cut", "poke", "instead") and len(rest) > 1:
        path = files.get(str(rest[0]), files["catalog"])
        if name == "instead":
            _instead(path, str(rest[1]))
        elif path.is_file() and not path.is_symlink():
            data = bytearray(path.read_bytes())
            at = number(rest[1], len(data) + 1)
            if name == "cut":
                del data[at:]
            elif len(rest) > 2:
                data[at : at + len(_hex(rest[2]))] = _hex(rest[2])
            path.write_bytes(data)
    elif name in ("frame", "batch", "end", "bomb") and files["list"].is_file():
        with contextlib.suppress(struct.error, ValueError):
            _change_list(files["list"], name, rest)
    elif name in ("head", "snapshot") and files["snapshot"].is_file():
        with contextlib.suppress(ValueError):
            _change_snapshot(files["snapshot"], name, rest)


def _hex(value: Any) -> bytes:
    return bytes.fromhex(value) if re.fullmatch("([0-9a-f]{2}){1,4096}", str(value)) else b"\xff"


def _instead(path: Path, what: str) -> None:
    if not path.is_file():
        return
    path.unlink()
    if what == "folder":
        path.mkdir()
    elif what == "fifo":
        os.mkfifo(path)
    elif what in ("link", "loop"):
        path.symlink_to("../../outside/secret" if what == "link" else path.name)
    else:
        path.write_bytes({"empty": b"", "text": b"no such thing\n"}.get(what, bytes(9000)))


def _change_rows(path: Path, name: str, rest: list[Any]) -> None:
    if not path.is_file() or path.is_symlink():
        return
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        table = str(rest[-1] if name == "sql" else rest[0])
        if table not in _TABLES:
            return
        if name == "sql":
            connection.executescript(_SQL[number(rest[0], len(_SQL))].format(t=table))
            return
        rows = [row for (row,) in connection.execute(f"SELECT rowid FROM {table} ORDER BY rowid")]
        chosen = rows if rest[1] == "all" else rows[number(rest[1], len(rows)) :][:1]
        for row in chosen:
            if name == "delete":
                connection.execute(f"DELETE FROM {table} WHERE rowid = ?", (row,))
            elif len(rest) > 3 and rest[2] in _TABLES[table].split():
                ids = [i for (i,) in connection.execute("SELECT id FROM objects ORDER BY id")]
                value = rest[3]
                if isinstance(value, dict) and isinstance(value.get("id"), int) and ids:
                    value = ids[number(value["id"], len(ids))]
                if isinstance(value, list | dict):
                    value = json.dumps(value)
                connection.execute(f"UPDATE OR REPLACE {table} SET {rest[2]} = ? WHERE rowid = ?", (value, row))
    finally:
        connection.close()
    _checkpoint(path)


def _change_list(path: Path, name: str, rest: list[Any]) -> None:
    """A member list with another frame, batch or end, its digest made right again."""
    import zlib

    data = path.read_bytes()
    head, frames, at = data[:20], [], 20
    frame = struct.Struct("<IIQ")
    while at + frame.size <= len(data) - 24:
        size, members, start = frame.unpack_from(data, at)
        at += frame.size
        frames.append([size, members, start, data[at : at + size] if members else b""])
        at += size if members else 0
    total = struct.unpack_from("<Q", data, len(data) - 24)[0]
    which = number(rest[0], len(frames)) if frames else 0
    value = rest[-1] if isinstance(rest[-1], int) and not isinstance(rest[-1], bool) else len(repr(rest[-1]))
    if name == "frame" and frames:
        part = number(rest[1], 3)
        frames[which][part] = value % ((1 << 64) if part == 2 else (1 << 32))
    elif name == "end":
        total = value % (1 << 64)
    elif name == "bomb":
        packed = zlib.compress(bytes((1 << 20) * min(300, value % 400)))
        frames[0] = [len(packed), frames[0][1] or 1, frames[0][2], packed]
    elif name == "batch" and frames[0][3]:
        plain = zlib.decompress(frames[0][3])
        members = frames[0][1]
        second = head.endswith(b"2\n")  # version 2: the JSON's length before it, the folders' lists behind it
        at = members * 158 + 4 * second
        end = at + struct.unpack_from("<I", plain, at - 4)[0] if second else len(plain)
        tail = plain[at:end]
        odd = json.loads(tail) if tail else {}
        odd.setdefault(str(which), {})[str(rest[1])] = rest[2]
        text = json.dumps(odd).encode()
        plain = plain[: members * 158] + (struct.pack("<I", len(text)) if second else b"") + text + plain[end:]
        frames[0][3] = zlib.compress(plain)
        frames[0][0] = len(frames[0][3])
    body = head + b"".join(frame.pack(*part[:3]) + part[3] for part in frames)
    digest = xxh3_128(body)
    digest.update(struct.pack("<Q", total))
    path.write_bytes(body + struct.pack("<Q", total) + digest.digest())


def _change_snapshot(path: Path, name: str, rest: list[Any]) -> None:
    line, _, data = path.read_bytes().partition(b"\n")
    head = json.loads(line)
    if name == "snapshot" and len(rest) > 1:
        at = number(rest[0], len(data) + 1)
        data = data[:at] + _hex(rest[1]) + data[at + 1 :]
        head |= {"size": len(data), "xxh3": xxh3_128_hexdigest(data)}
    elif name == "head" and len(rest) > 1 and isinstance(head, dict):
        head[str(rest[0])] = rest[1]
    path.write_bytes(json.dumps(head).encode() + b"\n" + data)


# ---------------------------------------------------------------- what must hold


def examine(content: bytes) -> None:
    """Bend the state folder as the recipe says, let the commands meet it. Raises AssertionError for what may not be."""
    recipe = fuzz.recipe_of(content[: 64 << 10])
    box = sandbox()
    world = box.fresh()
    with box.inside():
        for op in recipe["ops"][:12]:
            with contextlib.suppress(Exception):  # what cannot be done to this file is left
                _apply(world, op)
        for do in recipe["do"][:4]:
            _do(world, do)
            box.nothing_outside()


def _do(world: Path, do: list[Any]) -> None:
    before = fuzz.images(world)
    word, more = str(do[0]), [str(w) for w in do[1:2]]
    plan = ("--plan", "plan.plan.json")
    to = f"to-{len(list(world.glob('to-*')))}"
    if word in ("restore", "path"):
        source = "s" if more == ["s"] else "t"
        paths = ("--path", "*two*") if word == "path" else ()
        code, _, _ = fuzz.command("restore", source, "--to", to, *plan, *paths)
        _right(world, world / to, code, source)
    elif word == "run":
        code, _, _ = fuzz.command("run", "plan.plan.json", "--report", "report.json")
        _stored(world, code)
    elif word == "draft":
        _draft(more[0] if more else "", to)
    else:
        fuzz.command(
            *{
                "files": ("files", *do[1:3], *plan),
                "dry": ("run", "plan.plan.json", "--dry-run"),
                "verify": ("verify", *plan),
                "repair": ("verify", "--repair", "-o", "repair.tc", *plan),
                "drill": ("drill", "plan.plan.json", "--progress", "none"),
                "recycle": ("volume", "recycle", "R1-000001", "--yes", *plan),
                "label": ("volume", "label", "R1", *plan),
                "rebuild": ("catalog", "rebuild", "media", *plan),
                "check": ("check", "copy.tc", "--catalog", "state/catalog.sqlite"),
                "copy": ("run", "copy.plan.json", "--report", "report2.json"),
            }.get(word, (word if word in ("objects", "volumes", "sessions") else "objects", *more, *plan))
        )
    after = fuzz.images(world)
    if word in ("run", "label", "copy", "recycle"):
        fuzz.kept(before, after)
    else:
        assert after == before, f"{word} changed the media"


def _draft(kind: str, to: str) -> None:
    needs = {
        "compact": ["--to", "R2"],
        "refresh": ["R1-000001", "--to", "R2"],
        "demultiplex": ["--to", "R2"],
        "chain": ["t", "--to", "R2"],
        "migrate": ["--to", "R2"],
        "restore": ["t", "--to", to],
    }.get(kind, [])
    fuzz.command("draft", kind or "catch-up", *needs, "--plan", "plan.plan.json", "-o", f"{to}.tc")


def _right(world: Path, to: Path, code: int, source: str) -> None:
    """What a restore that says 0 brought is what the magazines hold."""
    if code:
        return
    if source == "s" and (to / "s").is_file():
        assert fuzz.is_whole((to / "s").read_bytes(), fuzz.all_records(fuzz.images(world)))
    for path in to.rglob("*"):
        if path.is_file() and source == "t":
            assert path.name in ("one", "two\n", "three", "night0", "night1", "night2"), path
            want = path.name * 50 if path.name in ("one", "two\n", "three") else "x" * int(path.name[-1])
            assert hashlib.sha1(path.read_bytes()).digest() == hashlib.sha1(want.encode()).digest(), path


def _stored(world: Path, code: int) -> None:
    """What is called stored lies on the magazines, as what was read."""
    if not (world / "report.json").exists():
        assert code in (1, 2)
        return
    records = fuzz.all_records(fuzz.images(world))
    for entry in json.loads((world / "report.json").read_text())["objects"]:
        if entry["source"] == "s" and entry["status"] == "whole":
            assert (b"new", True) in records.get((entry["object"], 0), ()), entry
        if any(copy["status"] == "stored" for copy in entry["copies"]):
            assert all((entry["object"], n) in records for n in range(entry["records"])), entry
