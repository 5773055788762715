"""Labels that lie: right checksums and digests, wrong facts. What a volume's label says of it, and a record's of it.

Every copy of a lie goes through verify, restore, rebuild, append and copy. Another drive holds the same objects, sound:
so what the catalog knows always comes back right, whatever the first drive says. ``TCC_LIES=1`` has all of them told,
without it one of each kind.
"""

from __future__ import annotations

import json
import os
import shutil
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tapechain.cli.main import _main
from tapechain.runtime.catalog.rebuild import read_volume
from tapechain.runtime.faults import MediaFault
from tapechain.runtime.media import label as label_format
from tapechain.runtime.media import times, ustar
from tapechain.runtime.media.ids import new_id
from tapechain.runtime.media.label import LABEL_BYTES
from tapechain.runtime.media.record import HEADER_BYTES, _headers, _template, parse
from tapechain.runtime.media.scanned import ScannedRecord
from tapechain.runtime.media.volume import open_volume
from xxhash import xxh3_128_hexdigest

pytestmark = pytest.mark.timeout(300)

PLAN = """
plan p { record = 64KiB }
source T { files = "tree" level = "incremental" }
source S { stream = "noise" }
drive R1 { volumes = "media/R1" }
drive R2 { volumes = "media/R2" }
backup group g { agent A -> R1 { B1 <- T  B2 <- S } }
mirror group m of g { agent B -> R2 { * <- A } }
"""
COPY = """
plan c { record = 64KiB }
drive R1 { volumes = "media/R1" }
drive N { volumes = "fresh/N" }
restore group old { agent A <- R1 { B <- all } }
copy group new of old { agent C -> N { * <- A } }
"""
#: A volume read from its label to its end, with what else is in memory then.
MEMORY_BYTES = 48 << 20


@dataclass
class World:
    """Three sessions on two drives, kept aside so that each lie begins from them. ``ids``: of the newest objects."""

    folder: Path
    capfd: Any

    def tcc(self, *arguments: str) -> tuple[int, str]:
        code = _main(list(arguments))
        out, err = self.capfd.readouterr()
        assert "internal error" not in err and "Traceback" not in err, (arguments, err)
        assert code in (0, 1, 2, 3) and (code == 0 or err.strip()), (arguments, code, out, err)
        return code, out + err

    @property
    def volume(self) -> Path:
        return self.folder / "media" / "R1" / "R1-000001.tar"

    def again(self) -> None:
        for name in ("media", "state", "fresh"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        for name in ("media", "state"):
            shutil.copytree(self.folder / "kept" / name, self.folder / name)
        shutil.copy(self.folder / "kept" / "noise", self.folder)

    def back(self, source: str, *where: str, older: bool = False) -> tuple[int, str, bool]:
        """Restore: exit code, what was said, and whether the newest state came back (*older*: or the one before)."""
        to = self.folder / "to"
        shutil.rmtree(to, ignore_errors=True)
        code, said = self.tcc("restore", source, *where, "--to", "to", "--progress", "none")
        found = {p.name: p.read_bytes() for p in to.rglob("*") if p.is_file()} if to.exists() else {}
        now = {"S": {"S": (self.folder / "noise").read_bytes()}, "T": tree(self.folder / "tree")}
        then = {"S": {"S": (self.folder / "before" / "noise").read_bytes()}, "T": tree(self.folder / "before" / "tree")}
        return code, said, found == now[source] or (older and found == then[source])


def tree(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir()}


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lies")
    (folder / "tree").mkdir()
    (folder / "p.tc").write_text(PLAN)
    (folder / "c.tc").write_text(COPY)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("TCC_STATE", str(folder / "state"))
        patch.setenv("CI", "1")
        for night in range(2):
            if night:
                shutil.copytree(folder / "tree", folder / "before" / "tree")
                shutil.copy(folder / "noise", folder / "before")
            (folder / "noise").write_bytes(os.urandom(300_000))
            (folder / "tree" / f"f{night}").write_bytes(os.urandom(90_000))
            assert _main(["run", "p.tc", "--progress", "none"]) == 0
    (folder / "kept").mkdir()
    for name in ("media", "state", "noise"):
        (folder / name).rename(folder / "kept" / name)
    return folder


@pytest.fixture
def world(media: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> World:
    monkeypatch.chdir(media)
    monkeypatch.setenv("CI", "1")
    monkeypatch.setenv("TCC_STATE", str(media / "state"))
    made = World(media, capfd)
    made.again()
    return made


# ---------------------------------------------------------------- labels of volumes


def relabel(volume: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Put another label at the head, its checksum and digest made anew."""
    data = bytearray(volume.read_bytes())
    document = json.loads(data[ustar.BLOCK : LABEL_BYTES])
    change(document)
    document["check"] = label_format._check_word(document)
    text = json.dumps(document, indent=1).encode()
    body = text + b" " * (LABEL_BYTES - ustar.BLOCK - 1 - len(text)) + b"\n"
    created = document["created"]
    mtime = times.seconds_of_time(created) if isinstance(created, str) and times.is_time(created) else 0
    data[:LABEL_BYTES] = ustar.header(b"tapechain.json", len(body), mtime) + body
    volume.write_bytes(data)


def says(**facts: Any) -> Callable[[dict[str, Any]], None]:
    return lambda document: document.update(facts)


#: Refused: the label cannot be that of this volume, or of any.
REFUSED = {
    "other drive": says(drive="R2", name="R2-000001"),
    "other drive, own name": says(drive="R2"),
    "other volume number": says(name="R1-000002"),
    "volume number 0": says(name="R1-000000"),
    "number beyond six digits": says(name="R1-0000001"),
    "a name with a path": says(drive="../R1", name="../R1-000001"),
    "format version": says(tapechain=2),
    "record too large": says(record=1 << 34),
    "record negative": says(record=-1),
    "records of nothing": says(record=512),
    "capacity beyond all": says(capacity=2**63),
    "session number too large": says(number=10**18),
    "volume no identifier": says(volume="R1"),
    "time of no calendar": says(created="2026-13-45T99:00:00.000Z"),
    "a text of megabytes": says(plan="p" * 14_000),
}
#: The label is one that could be: another volume's, another session's. What it holds says otherwise, or nothing does.
BELIEVABLE = {
    "other volume's identifier": says(volume=new_id()),
    "other session": says(session=new_id()),
    "far session number": says(number=10**17),
    "other plan": says(plan="q", fingerprint="f" * 64),
    "time far off": says(created="1970-01-01T00:00:00.000Z", started="1970-01-01T00:00:00.000Z"),
    "time far ahead": says(created="2241-01-01T00:00:00.000Z"),
    "large records": says(record=16 << 20),
    "capacity of nothing": says(capacity=0),
    "other pool": says(pool="vault"),
    "other agent": says(agent="Z9"),
}


USUAL = (
    "other drive", "other volume number", "a name with a path", "record too large", "other volume's identifier",
    "other session", "far session number", "time far ahead", "large records", "other pool",
)  # fmt: skip


@pytest.mark.parametrize("lie", [*REFUSED, *BELIEVABLE] if os.environ.get("TCC_LIES") else USUAL)
def test_no_label_of_a_volume_that_lies_loses_or_makes_anything(world: World, lie: str) -> None:
    relabel(world.volume, {**REFUSED, **BELIEVABLE}[lie])
    named = lie in REFUSED or lie == "other volume's identifier"
    through(world, named=named, alone=None if lie in REFUSED else "right")
    world.again()
    relabel(world.volume, {**REFUSED, **BELIEVABLE}[lie])
    tracemalloc.start()
    try:
        read_volume(world.volume)
    except MediaFault as fault:
        assert (lie in REFUSED and "R1-000001" in str(fault.place)) or "R1-000001" in fault.message
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < MEMORY_BYTES


# ---------------------------------------------------------------- labels of records


def newest(volume: Path, source: str, sequence: int) -> ScannedRecord:
    with open_volume(volume) as reader:
        (*_, found) = [
            m
            for m in reader.members(LABEL_BYTES, reader.size, check=False)
            if isinstance(m, ScannedRecord) and (m.header.source, m.header.sequence) == (source, sequence)
        ]
    return found


def reseal(volume: Path, source: str, sequence: int, change: Callable[[dict[str, str]], None]) -> None:
    """Change the words of the newest such record's label; digest, checksums and headers are made anew."""
    found = newest(volume, source, sequence)
    data = bytearray(volume.read_bytes())
    record = bytes(data[found.position : found.end])
    line = record[ustar.BLOCK : 2 * ustar.BLOCK].rstrip(b"\0").decode()
    text = line.split(" comment=", 1)[1].rsplit(" xxh3=", 1)[0]
    words = dict(word.split("=", 1) for word in text.split(" "))
    change(words)
    order = "tapechain object sequence size last source plan session number started kind level parent compress encrypt"
    text = " ".join(f"{key}={words[key]}" for key in order.split() if key in words)
    payload = record[HEADER_BYTES : HEADER_BYTES + int(words["size"])]
    digest = xxh3_128_hexdigest(text.encode() + payload).encode()
    template = _template(words["object"], words["source"])
    head = _headers(template, text.encode(), int(words["sequence"]), int(words["size"]), digest)
    data[found.position : found.position + HEADER_BYTES] = head
    volume.write_bytes(data)
    assert parse(head).object_id == words["object"]


def sets(**facts: str) -> Callable[[dict[str, str]], None]:
    return lambda words: words.update(facts)


def itself(words: dict[str, str]) -> None:
    words["parent"] = words["object"]


#: source, sequence, lie; whether verify must name it.
RECORDS: dict[str, tuple[str, int, Callable[[dict[str, str]], None], bool]] = {
    "other session": ("S", 0, sets(session=new_id()), True),
    "other session number": ("S", 0, sets(number="999999"), False),
    "other plan's name": ("S", 0, sets(plan="q"), False),
    "time far off": ("S", 0, sets(started="1970-01-01T00:00:00.000Z"), False),
    "time far ahead": ("S", 0, sets(started="2241-12-31T23:59:59.999Z"), False),
    "other kind": ("S", 0, sets(kind="files"), True),
    "compressed": ("S", 0, sets(compress="zstd"), True),
    "encrypted": ("S", 0, sets(encrypt="age"), True),
    "a full": ("T", 0, sets(level="full"), True),
    "another parent": ("T", 0, sets(parent=new_id()), True),
    "its own parent": ("T", 0, itself, True),
    "other object, first": ("S", 0, sets(object=new_id()), True),
    "other object, in the middle": ("S", 2, sets(object=new_id()), True),
    "other source, first": ("S", 0, sets(source="Q"), True),
    "other source, in the middle": ("S", 2, sets(source="Q"), True),
    "other sequence": ("S", 2, sets(sequence="1"), True),
    "sequence far ahead": ("S", 2, sets(sequence="9999999999"), True),
    "the last one, in the middle": ("S", 2, sets(last="1"), True),
    "not the last one": ("S", 4, lambda words: words.pop("last"), True),
    "shorter": ("S", 2, lambda words: words.update(size=str(int(words["size"]) - 512)), True),
    "longer": ("S", 2, lambda words: words.update(size=str(int(words["size"]) + 512)), True),
    "as long as a record may be": ("S", 2, sets(size=str((16 << 20) - HEADER_BYTES)), True),
}


@pytest.mark.parametrize("lie", RECORDS)
def test_no_label_of_a_record_that_lies_loses_or_makes_anything(world: World, lie: str) -> None:
    source, sequence, change, named = RECORDS[lie]
    reseal(world.volume, source, sequence, change)
    through(world, named=named, alone=None, sources=(source,))


# ---------------------------------------------------------------- what must hold


def through(world: World, *, named: bool, alone: str | None, sources: tuple[str, ...] = ("S", "T")) -> None:
    """Verify, restore, rebuild, append, copy. *named*: verify must name it; *alone*: what R1 by itself gives back."""
    lying = world.volume.read_bytes()
    code, said = world.tcc("verify", "--plan", "p.tc")
    assert (code == 1 or "warning" in said) or not named, said
    assert "R1-000001" in said or code == 0, said
    for source in sources:
        code, said, right = world.back(source, "--plan", "p.tc")
        assert code == 0 and right, (source, code, said)
        code, said, right = world.back(source, "--from", "media/R1", "--state", "elsewhere", older=alone is None)
        assert right if code == 0 else said, (source, code, said)
        assert alone is None or (code == 0 and right), (source, code, said)
    # A copy of what is there holds what is right, or it says that it does not.
    code, said = world.tcc("run", "c.tc", "--progress", "none")
    if code == 0:
        for source in sources:
            _, said, right = world.back(source, "--from", "fresh/N", "--state", "elsewhere")
            assert right, (source, said)
    # Nothing that lies there is overwritten, whatever is appended or begun.
    (world.folder / "noise").write_bytes(os.urandom(300_000))
    code, said = world.tcc("run", "p.tc", "--progress", "none")
    assert code in (0, 3), said
    assert world.volume.read_bytes().startswith(lying[:-1024])
    ran = said
    code, said, right = world.back("S", "--plan", "p.tc")
    assert code == 0 and right, (ran, said)
    # A catalog made of the volumes alone.
    code, said = world.tcc("catalog", "rebuild", "media", "--plan", "p.tc")
    assert code in (0, 3), said
    for source in sources:
        code, said, right = world.back(source, "--plan", "p.tc")
        assert code == 0 and right, (source, code, said)
    world.again()
