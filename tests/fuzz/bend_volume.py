"""Volumes taken apart into members, changed, and put together again with digests and checksums that are right."""

from __future__ import annotations

import json
import os
import re
import tarfile
from pathlib import Path
from typing import Any

import fuzz_world as fuzz
from fuzz_world import number
from tapechain.runtime.media import index as index_format
from tapechain.runtime.media import label as label_format
from tapechain.runtime.media import ustar
from tapechain.runtime.media.label import LABEL_BYTES
from tapechain.runtime.media.record import HEADER_BYTES, BadRecord, _headers, _template, parse
from xxhash import xxh3_128_hexdigest

POINTER_KEYS = "volume session index size xxh3"


class _Volume:
    """A volume's file as its members, which operations change; bytes are changed when it is put together."""

    def __init__(self, path: Path) -> None:
        self.path = path
        data = path.read_bytes()
        self.members = [data[:LABEL_BYTES]]
        at = LABEL_BYTES
        while at < len(data) - 1024:
            size = index_format.index_size(data[at : at + 512])
            end = at + parse(data[at:]).total_bytes if size is None else at + 512 + ustar.padded(size)
            self.members.append(data[at:end])
            at = end
            if size is not None:
                self.members.append(data[at : at + 1024])
                at += 1024
        self.tail = data[at:]
        self.late: list[list[Any]] = []

    def place(self, which: int) -> int:
        return sum(map(len, self.members[:which]))

    def find(self, kind: str, which: Any) -> int | None:
        """The place of the *which*th member of a *kind* (``record``, ``index``)."""
        here = [n for n, member in enumerate(self.members) if _kind(member) == kind]
        return here[number(which, len(here))] if here else None

    def data(self) -> bytes:
        data = bytearray(b"".join(self.members) + self.tail)
        for op in self.late:
            if op[0] == "cut":
                del data[number(op[2], len(data) + 1) :]
            elif op[0] == "poke" and data:
                what = bytes.fromhex(str(op[3])) if re.fullmatch("([0-9a-f]{2}){1,4096}", str(op[3])) else b"\xff"
                at = number(op[2], len(data))
                data[at : at + len(what)] = what
            elif op[0] == "end":
                count = op[2] if isinstance(op[2], int) and not isinstance(op[2], bool) else 1
                if count < 0:
                    del data[max(0, len(data) + max(count, -400) * 512) :]
                else:
                    data += bytes(512 * min(count, 400))
        return bytes(data)


def _kind(member: bytes) -> str:
    if member[512:].find(b" comment=tapechain=", 0, 40) >= 0:
        return "record"
    return "index" if index_format.index_size(member[:512]) is not None else "other"


class Bent:
    """The volumes of a world, changed by operations."""

    def __init__(self, world: Path) -> None:
        self.media = world / "media"
        self.volumes = [_Volume(path) for path in sorted(self.media.rglob("*.tar"))]
        self.ids = sorted({i for v in self.volumes for m in v.members for i in _ids(m)})

    def value(self, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("id"), int):
            return self.ids[number(value["id"], len(self.ids))]
        if isinstance(value, dict) and isinstance(value.get("pos"), list) and len(value["pos"]) == 2:
            volume = self.volumes[number(value["pos"][0], len(self.volumes))]
            return volume.place(number(value["pos"][1], len(volume.members)))
        return value

    def apply(self, op: list[Any]) -> None:
        name, *rest = op
        if name in ("link", "fifo", "folder") and rest:
            self._strange(name, *rest[:2])
            return
        if len(rest) < 2:
            return
        volume = self.volumes[number(rest[0], len(self.volumes))]
        members = volume.members
        at = number(rest[1], len(members) - 1) + 1 if len(members) > 1 else 0
        if name == "drop":
            del members[at]
        elif name == "twice":
            members.insert(at, members[at])
        elif name == "swap" and len(rest) > 2:
            other = number(rest[2], len(members) - 1) + 1
            members[at], members[other] = members[other], members[at]
        elif name == "move" and len(rest) > 3:
            other = self.volumes[number(rest[2], len(self.volumes))].members
            other.insert(number(rest[3], len(other)) + 1, members[at])
        elif name == "fill" and len(rest) > 3:
            members.insert(at, bytes([number(rest[3], 256)]) * (512 * number(rest[2], 400)))
        elif name in ("cut", "poke", "end") and len(op) >= (4 if name == "poke" else 3):
            volume.late.append(op)
        elif name == "label" and len(rest) > 2:
            members[0] = _label(members[0], str(rest[1]), self.value(rest[2]))
        elif name == "record" and len(rest) > 3:
            found = volume.find("record", rest[1])
            if found is not None:
                members[found] = _record(members[found], str(rest[2]), self.value(rest[3]))
        elif name in ("index", "object", "pointer"):
            self._index(volume, name, rest)
        elif name in ("name", "double"):
            path = self.media / "R1" / _file_name(rest[1])
            if name == "name" and volume.path.exists():
                volume.path.unlink()
                volume.path = path
            elif name == "double":
                path.unlink(missing_ok=True) if not path.is_dir() else path.rmdir()
                path.write_bytes(volume.data())

    def _strange(self, kind: str, name: Any, to: Any = "x") -> None:
        path = self.media / "R1" / _file_name(name)
        self.volumes = [v for v in self.volumes if v.path != path] or self.volumes
        if path.is_dir() and not path.is_symlink():
            return
        path.unlink(missing_ok=True)
        if kind == "link":
            path.symlink_to(to if isinstance(to, str) and to and "\0" not in to and to.isprintable() else "x")
        elif kind == "fifo":
            os.mkfifo(path)
        else:
            path.mkdir()

    def _index(self, volume: _Volume, name: str, rest: list[Any]) -> None:
        found = volume.find("index", rest[1])
        if found is None or len(rest) < 4:
            return
        member, pointer = volume.members[found], volume.members[found + 1] if found + 1 < len(volume.members) else b""
        size = index_format.index_size(member[:512]) or 0
        text = member[512 : 512 + size]
        if name == "pointer":
            words = dict(re.findall(r"([a-z0-9]+)=(\S+)", pointer[512:].decode("latin-1")))
            words[str(rest[2])] = _word(self.value(rest[3]))
            volume.members[found + 1] = _pointer(words, pointer[:512])
            return
        try:
            document = json.loads(text)
        except ValueError:
            return
        if name == "index":
            document[str(rest[2])] = self.value(rest[3])
        elif len(rest) > 4 and isinstance(document.get("objects"), list) and document["objects"]:
            entry = document["objects"][number(rest[2], len(document["objects"]))]
            if isinstance(entry, dict):
                entry[str(rest[3])] = self.value(rest[4])
        text = json.dumps(document, separators=(",", ":")).encode("utf-8", "surrogatepass") + b"\n"
        head = _resized(member[:512], len(text))
        volume.members[found] = head + text + bytes(ustar.padded(len(text)) - len(text))
        words = dict(re.findall(r"([a-z0-9]+)=(\S+)", pointer[512:].decode("latin-1")))
        words |= {"index": str(volume.place(found)), "size": str(len(text)), "xxh3": xxh3_128_hexdigest(text)}
        if found + 1 < len(volume.members):
            volume.members[found + 1] = _pointer(words, pointer[:512])


def _file_name(value: Any) -> str:
    return value if isinstance(value, str) and re.fullmatch(r"R1-\d{6}\.tar", value) else "R1-000007.tar"


def _ids(member: bytes) -> set[str]:
    return {
        found.decode() for found in re.findall(rb"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f-]{17}", member[:4096])
    }


def _word(value: Any) -> str:
    if isinstance(value, str):
        return value.encode("ascii", "replace").decode()
    return json.dumps(value)


def _resized(head: bytes, size: int) -> bytes:
    """A ustar header with another size, its checksum right."""
    new = bytearray(head)
    new[124:136] = b"%011o\0" % (size % 8**11)
    new[148:156] = b" " * 8
    new[148:156] = b"%06o\0 " % sum(new)
    return bytes(new)


def _label(member: bytes, key: str, value: Any) -> bytes:
    try:
        document = json.loads(member[512:])
    except ValueError:
        return member
    document[key] = value
    document["check"] = label_format._check_word(document)
    text = json.dumps(document).encode("utf-8", "surrogatepass")
    return (member[:512] + text).ljust(LABEL_BYTES - 1)[: LABEL_BYTES - 1] + b"\n"


def _pointer(words: dict[str, str], head: bytes) -> bytes:
    text = "tapechain=1 " + " ".join(f"{key}={words.get(key, '')}" for key in POINTER_KEYS.split())
    body = f"{text} check={xxh3_128_hexdigest(text.encode())}\n".encode()[:512]
    return _resized(head.ljust(512, b"\0"), len(body)) + body.ljust(512, b"\0")


def _record(member: bytes, key: str, value: Any) -> bytes:
    """The record with another word in its label, or another payload, digest and headers made right again."""
    match = re.match(rb"[0-9]+ comment=(tapechain=1 .*) xxh3=[0-9a-f]{32}\n", member[512:1024])
    if match is None:
        return member
    words = dict(re.findall(r"([a-z0-9]+)=(\S*)", match[1].decode("latin-1")))
    size = int(words["size"]) if words.get("size", "").isdigit() else 0
    payload = member[HEADER_BYTES : HEADER_BYTES + size]
    if key == "payload":
        payload = _payload(str(value), payload)
        words["size"] = str(len(payload))
    elif value is None or value is False:
        words.pop(key, None)
    else:
        words[key] = _word(value).replace(" ", "_").replace("\n", "_")[:300]
    order = ["tapechain", "object", "sequence", "size", "last", "source", "plan", "session", "number", "started"]
    order += ["kind", "level", "parent", "compress", "encrypt"]
    text = " ".join(f"{name}={words[name]}" for name in order if name in words).encode("latin-1", "replace")
    digest = xxh3_128_hexdigest(text + payload).encode()
    body = payload + bytes(-len(payload) % 512)
    try:
        sequence, length = int(words.get("sequence", "0")), int(words.get("size", "0"))
        source = parse(member).source if key != "source" else words["source"]
        return _headers(_template(words["object"], source), text, sequence, length, digest) + body
    except (ValueError, BadRecord, KeyError, IndexError):
        label = b"%d comment=%b xxh3=%b\n" % (12 + len(text) + 39, text, digest)
        return member[:512] + label[:512].ljust(512, b"\0") + member[1024:1536] + body


def _payload(kind: str, before: bytes) -> bytes:
    if kind == "zstd":
        from tapechain.runtime.codec import zstandard

        packer = zstandard.compressor(1)
        packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(40))
        return (packed + packer.flush())[:60_000]
    if kind == "tar":
        link = tarfile.TarInfo("tree/out")
        link.type, link.linkname = tarfile.SYMTYPE, "../../../outside"
        evil = [(link, b""), member("tree/out/evil", b"x"), member("../outside/evil", b"x"), member("/evil", b"x")]
        return bytes(fuzz.support().archive(evil))
    if kind == "volume":
        return before[:1024] + b"".join(before[at : at + 512] for at in range(0, len(before) // 2, 512))
    return bytes.fromhex(kind) if re.fullmatch("([0-9a-f]{2})*", kind) else kind.encode("utf-8", "replace")[:60_000]


def member(name: str, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
    """A plain file of an archive."""
    return tarfile.TarInfo(name), data
