"""A second reader and writer of volumes, made from docs/format.md alone: nothing of the runtime is imported here.

:func:`read` tells everything on a volume that is not as the page says; :class:`Volume` writes one. What both agree on
with ``tcc`` is what a stranger with the page, and nothing else, could read and write.
"""

from __future__ import annotations

import calendar
import json
import os
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xxhash import xxh3_128_hexdigest as xxh3

BLOCK, LABEL, HEADS = 512, 16_384, 1_536
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
#: Every record's words and record 0's, in their order; those with a mark only where they have something to say.
WORDS = ["tapechain", "object", "sequence", "size", "last?", "source", "xxh3"]
FIRST = ["plan", "session", "number", "started", "kind", "level", "parent?", "compress?", "encrypt?"]
LABEL_KEYS = {
    "tapechain",
    "volume",
    "name",
    "drive",
    "agent",
    "pool",
    "created",
    "plan",
    "fingerprint",
    "session",
    "number",
    "started",
    "record",
    "capacity",
    "recover",
    "check",
}
INDEX_KEYS = {
    "tapechain",
    "volume",
    "session",
    "number",
    "plan",
    "fingerprint",
    "drive",
    "agent",
    "started",
    "ended",
    "seconds",
    "state",
    "first",
    "previous",
    "objects",
}
OBJECT_KEYS = {
    "source",
    "object",
    "kind",
    "level",
    "parent",
    "compress",
    "encrypt",
    "first",
    "last",
    "first_sequence",
    "records",
    "bytes",
    "state",
    "continued",
    "continues",
    "drives",
    "unread",
    "warnings",
}


def encoded(name: str) -> str:
    text = "".join(
        c if re.fullmatch(r"[A-Za-z0-9_.-]", c) else "".join(f"%{byte:02X}" for byte in c.encode()) for c in name
    )
    return f"%{ord(name[0]):02X}{text[1:]}" if name in {".", "..", "index"} else text


def padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def second_of(uuid: str) -> int:
    return int(uuid.replace("-", "")[:12], 16) // 1000


def seconds(text: str) -> int:
    return calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S"))


def iso(milliseconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(milliseconds // 1000)) + f".{milliseconds % 1000:03d}Z"


def header(name: str, kind: str, size: int, mtime: int) -> bytes:
    """A ustar header as "Plain members" has it."""
    fields = (
        (100, name.encode()),
        (8, b"0000440"),
        (8, b"0000000"),
        (8, b"0000000"),
        (12, b"%011o" % size),
        (12, b"%011o" % mtime),
        (8, b" " * 8),
        (1, kind.encode()),
        (100, b""),
        (8, b"ustar\x0000"),
        (64, b""),
        (8, b"0000000"),
        (8, b"0000000"),
        (167, b""),
    )
    block = bytearray(b"".join(value.ljust(room, b"\0") for room, value in fields))
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def name_in(block: bytes) -> str:
    return block[:100].rstrip(b"\0").decode()


def size_in(block: bytes) -> int:
    return int(block[124:135], 8)


@dataclass
class Record:
    position: int
    words: dict[str, str]
    payload: bytes
    total: int

    @property
    def sequence(self) -> int:
        return int(self.words["sequence"])


@dataclass
class Read:
    """What a volume holds, and what of it is ``wrong``: (byte position, what)."""

    label: dict[str, Any] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    indexes: list[dict[str, Any]] = field(default_factory=list)
    wrong: list[tuple[int, str]] = field(default_factory=list)

    def need(self, holds: object, position: int, what: str) -> None:
        if not holds:
            self.wrong.append((position, what))


def read(path: Path) -> Read:
    """Every byte of a volume, held against the page."""
    data, found = path.read_bytes(), Read()
    found.label = _label(data, path.stem, found)
    start = position = LABEL
    previous, since = None, []
    while (block := data[position : position + BLOCK]) != bytes(BLOCK):
        if len(block) < BLOCK or block[156:157] not in b"x0":
            found.wrong.append((position, "no archive member begins here"))
            return found
        if block[156:157] == b"x":
            since.append(_record(data, position, found))
            position += since[-1].total
            continue
        position, index = _index(data, position, found)
        found.need((index["first"], index["previous"]) == (start, previous), position, "first, previous")
        _objects(index, since, position, found)
        found.indexes.append(index)
        found.records += since
        previous, start, since = position, position + padded(_size(data, position)) + 3 * BLOCK, []
        position = start
    found.need(data[position:] == bytes(2 * BLOCK), position, "the file does not end with two zero blocks")
    found.need(not since, position, "records behind the last index")
    capacity = found.label["capacity"]
    found.need(capacity is None or len(data) <= capacity, len(data), "more than the capacity")
    return found


def _size(data: bytes, position: int) -> int:
    return size_in(data[position : position + BLOCK])


def _label(data: bytes, stem: str, found: Read) -> dict[str, Any]:
    text = data[BLOCK:LABEL]
    label: dict[str, Any] = json.loads(text)
    found.need(text.isascii() and text.endswith(b"\n"), 0, "the label's text")
    found.need(data[:BLOCK] == header("tapechain.json", "0", LABEL - BLOCK, seconds(label["created"])), 0, "header")
    found.need(label.keys() == LABEL_KEYS, 0, f"label keys {label.keys() ^ LABEL_KEYS}")
    rest = {key: value for key, value in label.items() if key != "check"}
    document = json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()
    found.need(label["check"] == xxh3(document), 0, "the label's check")
    found.need(label["name"] == stem and re.fullmatch(re.escape(encoded(label["drive"])) + r"-\d{6}", stem), 0, "name")
    ids, times = (label["volume"], label["session"]), (label["created"], label["started"])
    found.need(all(map(UUID.fullmatch, ids)) and all(map(TIME.fullmatch, times)), 0, "identifiers and times")
    return label


def _record(data: bytes, position: int, found: Read) -> Record:
    first, pax, second = (data[position + at : position + at + BLOCK] for at in (0, 512, 1024))
    length = size_in(first)
    line = re.fullmatch(rb"(\d+) comment=([ -~]*)\n", pax[:length])
    assert line and int(line[1]) == length, f"{position}: no pax record of one comment"
    found.need(not pax[length:].strip(b"\0"), position, "the padding of the pax record")
    text = line[2].decode()
    words = dict(word.split("=", 1) for word in text.split(" "))
    sequence, size, uuid = int(words["sequence"]), int(words["size"]), words["object"]
    known = [*WORDS[:-1], *(FIRST if sequence == 0 else ()), WORDS[-1]]
    there = [w.rstrip("?") for w in known if not w.endswith("?") or w[:-1] in words]
    found.need(list(words) == there, position, f"words {list(words)}")
    found.need(words["tapechain"] == "1" and words.get("last", "1") == "1" and UUID.fullmatch(uuid), position, "values")
    found.need((str(sequence), str(size)) == (words["sequence"], words["size"]), position, "numbers")
    mtime, number = second_of(uuid), f"{sequence:010d}"
    found.need(first == header(f"{uuid}/PaxHeaders/{number}", "x", length, mtime), position, "the extended header")
    member = header(f"{words['source']}/{uuid}/{number}", "0", size, mtime)
    found.need(second == member, position, "the member's header")
    body = data[position + HEADS : position + HEADS + padded(size)]
    found.need(len(body) == padded(size) and not body[size:].strip(b"\0"), position, "the payload's padding")
    digest = xxh3(text[: text.rindex(" xxh3=")].encode() + body[:size])
    found.need(digest == words["xxh3"], position, "the digest")
    return Record(position, words, body[:size], HEADS + padded(size))


def _index(data: bytes, position: int, found: Read) -> tuple[int, dict[str, Any]]:
    size = _size(data, position)
    body = data[position + BLOCK : position + BLOCK + size]
    index: dict[str, Any] = json.loads(body)
    mtime, session = seconds(index["ended"]), index["session"]
    found.need(body.isascii() and body.endswith(b"\n"), position, "the index's text")
    found.need(
        data[position : position + BLOCK] == header(f"index/{session}.json", "0", size, mtime), position, "index"
    )
    found.need(not data[position + BLOCK + size : position + BLOCK + padded(size)].strip(b"\0"), position, "padding")
    at = position + BLOCK + padded(size)
    words = (
        f"tapechain=1 volume={found.label['volume']} session={session} index={position} size={size} xxh3={xxh3(body)}"
    )
    words += f" check={xxh3(words.encode())}\n"
    pointer = header(f"index/{session}.end", "0", len(words), mtime) + words.encode().ljust(BLOCK, b"\0")
    found.need(data[at : at + 2 * BLOCK] == pointer, at, "the pointer")
    found.need(index.keys() - {"origin"} == INDEX_KEYS, position, f"index keys {index.keys() ^ INDEX_KEYS}")
    same = all(index[key] == found.label[key] for key in ("volume", "drive"))
    found.need(same and index["state"] in {"ended", "recovered"}, position, "the index's values")
    return position, index


def _objects(index: dict[str, Any], since: Iterable[Record], position: int, found: Read) -> None:
    of_object: dict[str, list[Record]] = {}
    for record in since:
        of_object.setdefault(record.words["object"], []).append(record)
    for item in index["objects"]:
        its = of_object.pop(item["object"], [])
        where = f"{item['source']}: "
        found.need(item.keys() - {"origin"} == OBJECT_KEYS, position, f"{where}{item.keys() ^ OBJECT_KEYS}")
        told = (item["records"], item["bytes"])
        found.need(told == (len(its), sum(len(r.payload) for r in its)), position, f"{where}records, bytes")
        ends = (its[0].position, its[-1].position) if its else (None, None)
        found.need((item["first"], item["last"]) == ends, position, f"{where}first, last")
        if not its:
            continue
        sequences = [record.sequence for record in its]
        begin = item["first_sequence"]
        found.need(sequences == list(range(begin, begin + len(its))), position, f"{where}its order")
        found.need(item["continued"] == (begin > 0), position, f"{where}continued")
        found.need({r.words["source"] for r in its} == {encoded(item["source"])}, position, f"{where}source")
        lasts = ["last" in record.words for record in its]
        found.need(not any(lasts[:-1]), position, f"{where}a record behind the last one")
        found.need(lasts[-1] == (item["state"] == "whole") or item["state"] == "failed", position, f"{where}state")
        if begin == 0:
            words, origin = its[0].words, item.get("origin") or index
            for key in ("session", "number", "started"):
                found.need(words[key] == str(origin[key]), position, f"{where}{key}")
            found.need(words["plan"] == encoded(origin["plan"]), position, f"{where}plan")
            for key in ("kind", "level", "parent", "compress", "encrypt"):
                found.need(words.get(key) == item[key], position, f"{where}{key}")
    found.need(not of_object, position, f"not in the index: {list(of_object)}")


def whole(volumes: Iterable[Read]) -> dict[str, tuple[dict[str, str], bytes]]:
    """Object → record 0's words and the payload, of each object that is whole on a drive's volumes, in their order."""
    records: dict[str, list[Record]] = {}
    for volume in volumes:
        for record in volume.records:
            records.setdefault(record.words["object"], []).append(record)
    found = {}
    for uuid, its in records.items():
        if [r.sequence for r in its] == list(range(len(its))) and "last" in its[-1].words:
            assert len({r.total for r in its[:-1]}) <= 1
            assert its[-1].total <= its[0].total
            found[uuid] = (its[0].words, b"".join(r.payload for r in its))
    return found


# ---------------------------------------------------------------- writing


def uuid7(milliseconds: int) -> str:
    number = milliseconds << 80 | int.from_bytes(os.urandom(10), "big")
    number = number & ~(0xF << 76) & ~(3 << 62) | 7 << 76 | 2 << 62
    text = f"{number:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


@dataclass
class Object:
    """An object to be written. ``room``: payload bytes of a record that is not the last."""

    source: str
    payload: bytes
    session: dict[str, Any]
    kind: str = "stream"
    compress: str | None = None
    encrypt: str | None = None
    room: int = 65_536 - HEADS
    id: str = field(default_factory=lambda: uuid7(time.time_ns() // 1_000_000))

    def records(self) -> Iterator[tuple[Object, int, bytes, bytes]]:
        """(this, sequence, payload, the record's bytes)"""
        pieces = [self.payload[at : at + self.room] for at in range(0, len(self.payload), self.room)] or [b""]
        for sequence, piece in enumerate(pieces):
            words = {"tapechain": 1, "object": self.id, "sequence": sequence, "size": len(piece)}
            words |= {"last": 1} if sequence == len(pieces) - 1 else {}
            words |= {"source": encoded(self.source)}
            if sequence == 0:
                words |= {"plan": encoded(self.session["plan"])}
                words |= {key: self.session[key] for key in ("session", "number", "started")}
                words |= {"kind": self.kind, "level": "full"}
                words |= {key: v for key in ("compress", "encrypt") if (v := getattr(self, key))}
            text = " ".join(f"{key}={value}" for key, value in words.items())
            line = f" comment={text} xxh3={xxh3(text.encode() + piece)}\n"
            length = next(n for n in range(len(line), len(line) + 5) if len(str(n)) + len(line) == n)
            mtime, number = second_of(self.id), f"{sequence:010d}"
            yield (
                self,
                sequence,
                piece,
                header(f"{self.id}/PaxHeaders/{number}", "x", length, mtime)
                + f"{length}{line}".encode().ljust(BLOCK, b"\0")
                + header(f"{encoded(self.source)}/{self.id}/{number}", "0", len(piece), mtime)
                + piece.ljust(padded(len(piece)), b"\0"),
            )


class Volume:
    """A volume that is being written. ``indent``: how its JSON is laid out, which the page leaves open."""

    def __init__(self, drive: str, number: int, session: dict[str, Any], *, indent: int | None = None, **more: Any):
        self.name, self.drive, self._indent = f"{encoded(drive)}-{number:06d}", drive, indent
        created = session["started"]
        label = {"tapechain": 1, "volume": uuid7(time.time_ns() // 1_000_000), "name": self.name, "drive": drive}
        label |= {"agent": "A", "pool": None, "created": created, "fingerprint": "ab" * 32, **session}
        label |= {"record": 65_536, "capacity": None, "recover": {"list": [f"tar -tf {self.name}.tar"]}, **more}
        label["check"] = xxh3(json.dumps(label, sort_keys=True, separators=(",", ":")).encode())
        text = json.dumps(label, indent=indent).encode().ljust(LABEL - BLOCK - 1) + b"\n"
        self.id = label["volume"]
        self.data = bytearray(header("tapechain.json", "0", len(text), seconds(created)) + text)
        self._previous: int | None = None
        self._first = LABEL
        self._since: list[tuple[Object, int, int, int]] = []

    def put(self, record: tuple[Object, int, bytes, bytes]) -> None:
        """One record of :meth:`Object.records`."""
        of, sequence, piece, data = record
        self._since.append((of, sequence, len(self.data), len(piece)))
        self.data += data

    def index(self, session: dict[str, Any], goes_on: Iterable[str] = ()) -> None:
        """End a session here; *goes_on*: objects of which more lies on the next volume."""
        objects = []
        for of in {id(entry[0]): entry[0] for entry in self._since}.values():
            its = [entry for entry in self._since if entry[0] is of]
            on = of.id in goes_on
            item = {"source": of.source, "object": of.id, "kind": of.kind, "level": "full", "parent": None}
            item |= {"compress": of.compress, "encrypt": of.encrypt, "first": its[0][2], "last": its[-1][2]}
            item |= {"first_sequence": its[0][1], "records": len(its), "bytes": sum(entry[3] for entry in its)}
            item |= {"state": "cut-off" if on else "whole", "continued": its[0][1] > 0, "continues": on}
            objects.append(item | {"drives": [self.drive], "unread": 0, "warnings": []})
        index = {"tapechain": 1, "volume": self.id, **session, "fingerprint": "ab" * 32, "drive": self.drive}
        index |= {"agent": "A", "ended": session["started"], "seconds": 0, "state": "ended", "first": self._first}
        body = (
            json.dumps(index | {"previous": self._previous, "objects": objects}, indent=self._indent).encode() + b"\n"
        )
        at, mtime, uuid = len(self.data), seconds(session["started"]), session["session"]
        self.data += header(f"index/{uuid}.json", "0", len(body), mtime) + body.ljust(padded(len(body)), b"\0")
        words = f"tapechain=1 volume={self.id} session={uuid} index={at} size={len(body)} xxh3={xxh3(body)}"
        words += f" check={xxh3(words.encode())}\n"
        self.data += header(f"index/{uuid}.end", "0", len(words), mtime) + words.encode().ljust(BLOCK, b"\0")
        self._previous, self._first, self._since = at, len(self.data), []

    def save(self, folder: Path) -> Path:
        """The file, with the archive's end."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name}.tar"
        path.write_bytes(bytes(self.data) + bytes(2 * BLOCK))
        return path
