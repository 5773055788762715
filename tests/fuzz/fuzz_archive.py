"""Archives of ``files`` objects that no tar made: headers with right checksums and wrong words, packed or plain."""

from __future__ import annotations

import json
import os
import random
import re
from functools import cache
from pathlib import Path
from typing import Any

import fuzz_world as fuzz
from fuzz_world import NASTY, number
from tapechain.runtime.codec import zstandard
from tapechain.runtime.drives.volumes import VolumesDrive
from tapechain.runtime.media.ids import new_id
from tapechain.runtime.media.record import HEADER_BYTES, seal
from tapechain.runtime.model import Ending, ObjectFacts, Session

COMMANDS: list[list[str]] = [
    ["restore"],
    ["restore"],
    ["restore"],
    ["files"],
    ["path"],
    ["over"],
    ["verify"],
    ["target"],
]
_FIELDS = {
    "name": (0, 100),
    "mode": (100, 8),
    "uid": (108, 8),
    "size": (124, 12),
    "mtime": (136, 12),
    "type": (156, 1),
    "link": (157, 100),
    "magic": (257, 8),
    "major": (329, 8),
    "prefix": (345, 155),
}
_NAMES = [
    "a",
    "a/b",
    "d",
    "d/x",
    "d/x/y",
    "../outside/evil",
    "/tmp/tcc-evil",
    "d/../../outside/evil",
    "./a",
    "a//b",
    "",
    ".",
    "..",
    "link",
    "link/evil",
    "x" * 99,
    "link/../../outside/evil",
    "-rf",
    "a\nb",
    "\x1b[2J",
    "d/.",
    "d/..",
]
_LINKS = ["../outside", "../../outside", "/tmp", "a", "d", "link", ".", "..", "../outside/secret", "/", "d/x", ""]
_PAX = [
    "path",
    "linkpath",
    "size",
    "GNU.sparse.name",
    "GNU.sparse.major",
    "GNU.sparse.realsize",
    "GNU.dumpdir",
    "mtime",
    "hdrcharset",
    "SCHILY.xattr.user.x",
    "uid",
    "GNU.sparse.map",
    "GNU.sparse.offset",
    "comment",
]
_TARGET = """
plan back { record = 64KiB depth = 2 }
drive R1 { volumes = "media/R1" }
target out { files = "target" }
restore group r { agent A <- R1 { B1 <- latest(t) } -> out }
"""


def _build(folder: Path) -> None:
    (folder / "media").mkdir()
    (folder / "over").mkdir()
    (folder / "over" / "link").symlink_to("../../outside")
    (folder / "over" / "d").symlink_to("../../outside")


@cache
def sandbox() -> fuzz.Sandbox:
    """This process's folder."""
    return fuzz.Sandbox(_build)


def seeds() -> list[bytes]:
    """Archives to begin with: each of the known ways out."""
    plain = ["member", "a", "0", "", "61"]
    first = [
        [plain],
        [["member", "../outside/evil", "0", "", "78"]],
        [["member", "link", "2", "../outside", ""], ["member", "link/evil", "0", "", "78"]],
        [["member", "d", "5", "", ""], ["member", "d/x", "1", "../outside/secret", ""]],
        [["pax", "path", "../outside/evil"], plain],
        [["long", "L", "../outside/evil"], plain],
        [plain, ["field", 0, "size", "77777777777"]],
        [["pack"], plain],
        [["pack", 40], plain],
        [["pax", "GNU.dumpdir", "Ya\0Dd\0"], ["member", "d", "5", "", ""]],
        [["zeros", 2], plain],
        [["raw", "00" * 700]],
        [
            ["pax", "GNU.sparse.major", "1"],
            ["pax", "GNU.sparse.name", "../outside/evil"],
            ["member", "s", "0", "", "310a300a310a"],
        ],
        [["member", "p", "6", "", ""], ["member", "c", "3", "", ""]],
        [["level"], ["pax", "GNU.dumpdir", "R../outside\0Tx\0\0"], ["member", "d", "5", "", ""]],
    ]
    return [json.dumps({"ops": ops, "do": [["restore"]]}).encode() for ops in first]


def _op(chosen: random.Random) -> list[Any]:
    name, link = chosen.choice(_NAMES), chosen.choice(_LINKS)
    content = chosen.choice(["", "61", "78" * 700, chosen.randbytes(40).hex()])
    kind = chosen.choice(
        ["0", "0", "1", "2", "2", "5", "5", "3", "4", "6", "7", "L", "K", "x", "g", "S", "D", "M", "V", "\0", "Z"]
    )
    key = chosen.choice(_PAX)
    value = chosen.choice([name, link, "1", "0", "-1", "9" * 30, "Ya\0Dd\0", "R../outside\0Tx\0", chosen.choice(NASTY)])
    return chosen.choice(
        [
            ["member", name, kind, link, content],
            ["member", name, kind, link, content],
            ["member", name, kind, link, content],
            ["pax", key, value],
            ["pax", key, value],
            ["long", chosen.choice("LK"), chosen.choice([name, link])],
            [
                "field",
                chosen.randrange(6),
                chosen.choice([*_FIELDS]),
                chosen.choice([value, "\xff" * 8, "777777777777", "99999999"]),
            ],
            ["sum", chosen.randrange(6), chosen.choice(["0", "777777", "x"])],
            ["zeros", chosen.randrange(4)],
            ["raw", chosen.randbytes(chosen.choice([3, 512, 700])).hex()],
            ["pack"],
            ["pack", chosen.randrange(100)],
            ["level"],
            ["lost", chosen.randrange(6)],
        ]
    )


def mutated(chosen: random.Random, pool: list[bytes]) -> bytes:
    """A new archive."""
    return fuzz.bend(chosen, pool, _op, COMMANDS, most=10)


def _header(name: str, size: int, kind: str, link: str) -> bytearray:
    block = bytearray(512)
    words = {"name": name, "link": link, "type": kind, "mode": "0000644", "uid": f"{os.getuid():07o}"}
    words |= {"size": f"{size:011o}", "mtime": "00000000001", "magic": "ustar\x0000"}
    for key, text in words.items():
        _put(block, key, text)
    _put_sum(block)
    return block


def _put(block: bytearray, key: str, text: str) -> None:
    at, size = _FIELDS[key]
    block[at : at + size] = text.encode("utf-8", "surrogatepass")[:size].ljust(size, b"\0")


def _put_sum(block: bytearray, text: str | None = None) -> None:
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block) if text is None else text.encode().ljust(8, b"\0")[:8]


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _archive(ops: list[list[Any]]) -> bytes:
    """The archive that *ops* describe."""
    parts: list[bytearray] = []
    headers: list[bytearray] = []
    waiting: list[tuple[str, str]] = []
    for name, *rest in ops:
        words = [_text(value) for value in rest]
        if name == "member" and len(words) > 3:
            if waiting:
                body = b"".join(_pax_record(key, value) for key, value in waiting)
                headers.append(_header("pax", len(body), "x", ""))
                parts += [headers[-1], bytearray(_padded(body))]
                waiting = []
            content = (
                bytes.fromhex(words[3])
                if re.fullmatch("([0-9a-f]{2})*", words[3])
                else words[3].encode("utf-8", "replace")
            )
            headers.append(_header(words[0], len(content), words[1][:1] or "0", words[2]))
            parts += [headers[-1], bytearray(_padded(content))]
        elif name == "pax" and len(words) > 1:
            waiting.append((words[0], words[1]))
        elif name == "long" and len(words) > 1:
            body = words[1].encode("utf-8", "surrogatepass") + b"\0"
            headers.append(_header("././@LongLink", len(body), words[0][:1] or "L", ""))
            parts += [headers[-1], bytearray(_padded(body))]
        elif name == "field" and len(words) > 2 and headers and words[1] in _FIELDS:
            block = headers[number(rest[0], len(headers))]
            _put(block, words[1], words[2])
            _put_sum(block)
        elif name == "sum" and len(words) > 1 and headers:
            _put_sum(headers[number(rest[0], len(headers))], words[1])
        elif name == "zeros" and words:
            parts.append(bytearray(512 * number(rest[0], 8)))
        elif name == "raw" and words and re.fullmatch("([0-9a-f]{2})*", words[0]):
            parts.append(bytearray(bytes.fromhex(words[0])))
    return b"".join(parts) + bytes(1024)


def _pax_record(key: str, value: str) -> bytes:
    body = b" %b=%b\n" % (key.encode("utf-8", "replace"), value.encode("utf-8", "surrogatepass"))
    length = len(body) + 1
    while len(str(length)) + len(body) != length:
        length = len(str(length)) + len(body)
    return str(length).encode() + body


def examine(content: bytes) -> None:
    """Store the archive, and have it restored, listed and verified. Raises AssertionError for what may not be."""
    recipe = fuzz.recipe_of(content[: 64 << 10])
    ops = recipe["ops"][:12]
    data = _archive(ops)
    packed = [op for op in ops if op[0] == "pack"]
    if packed:
        packer = zstandard.compressor(1)
        bomb = number(packed[0][1], 100) if len(packed[0]) > 1 else 0
        data = packer.compress(data) + b"".join(packer.compress(bytes(1 << 20)) for _ in range(bomb)) + packer.flush()
    box = sandbox()
    world = box.fresh()
    lost = {number(op[1], 6) for op in ops if op[0] == "lost" and len(op) > 1}
    _store(world, data, "zstd" if packed else None, lost)
    with box.inside():
        for do in recipe["do"][:4]:
            _do(world, str(do[0]))
            box.nothing_outside()


def _store(world: Path, data: bytes, compress: str | None, lost: set[int]) -> None:
    """One session with the object t, in records of 3 KiB; the records *lost* are damaged."""
    session = Session(new_id(), 1, "night", "ab" * 32, "2026-01-01T00:00:00.000Z")
    facts = ObjectFacts(new_id(), "t", "files", session, compress=compress, drives=("R1",))
    drive = VolumesDrive("R1", world / "media" / "R1", on_index=lambda _: None)
    drive.mount(session, agent="A", plan_record=65536)
    drive.begin(facts)
    room = 65536 - HEADER_BYTES
    pieces = [data[at : at + room] for at in range(0, len(data), room)] or [b""]
    slot = memoryview(bytearray(65536))
    for sequence, piece in enumerate(pieces):
        slot[HEADER_BYTES : HEADER_BYTES + len(piece)] = piece
        total = seal(slot, facts, sequence, len(piece), last=sequence == len(pieces) - 1)
        record = bytearray(slot[:total])
        if sequence in lost and sequence:
            record[HEADER_BYTES] ^= 0xFF
        drive.write(memoryview(record), facts.id, sequence, len(piece))
    drive.end(facts.id, Ending("whole"))
    drive.close(1.0)


def _do(world: Path, word: str) -> None:
    to = f"to-{len(list(world.glob('to-*')))}"
    before = fuzz.images(world)
    if word == "target":
        (world / "back.tc").write_text(_TARGET)
        fuzz.command("run", "back.tc")
    else:
        fuzz.command(
            *{
                "files": ("files", "t", "--from", "media"),
                "verify": ("verify", "media", "--state", "none"),
                "path": ("restore", "t", "--from", "media", "--to", to, "--path", "*a*"),
                "over": ("restore", "t", "--from", "media", "--to", "over", "--overwrite"),
            }.get(word, ("restore", "t", "--from", "media", "--to", to))
        )
    assert fuzz.images(world) == before, f"{word} changed the media"
    held = sum(
        path.lstat().st_blocks * 512 for folder in (to, "over", "target") for path in (world / folder).rglob("*")
    )
    assert held < 200 << 20, f"{held >> 20} MiB on the disk"
