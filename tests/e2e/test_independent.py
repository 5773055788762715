"""A stranger who has docs/format.md and nothing else reads what ``tcc`` writes, and ``tcc`` what that one writes."""

import hashlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import independent
import pytest

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(not (shutil.which("zstd") and shutil.which("age")), reason="zstd or age is not installed"),
]

PLAN = """
plan "night / ü" {
  record = %s
  depth = 3
  state = "state"
}
source tree { files = "tree" }
source "odd / name%%" { stream = "exact" }
source index { stream = "empty" }
source ".." { stream = "one" }
source sealed {
  stream = "long"
  compress = "zstd"
  encrypt = ["%s"]
}
source little {
  command = ["printf", "x"]
  compress = "zstd"
}
source plain { stream = "long" }
source broken { command = ["sh", "-c", "head -c 200000 /dev/zero; exit 3"] }
source absent { command = ["/nonexistent"] }
drive "R 1" {
  volumes = "media/R1"
  capacity = 700KiB
}
drive R2 { volumes = "media/R2" }
drive R3 {
  volumes = "media/R3"
  capacity = 1MiB
}
backup group nightly {
  agent A -> "R 1" {
    B1 <- tree
    B2 <- "odd / name%%"
    B3 <- index
    B4 <- ".."
    B5 <- sealed
    B6 <- little
    B7 <- plain
    B8 <- broken
    B9 <- absent
  }
}
mirror group second of nightly { agent B -> R2 { * <- A } }
mirror group third of second {
  agent C -> R3 {
    order = "object"
    * <- B
  }
}
"""
KILLED = """
plan "night / ü" {
  record = 64KiB
  state = "state"
}
source killed { command = ["sh", "-c", "head -c 400000 /dev/zero; echo > fifo; exec sleep 100"] }
drive R2 { volumes = "media/R2" }
backup group nightly { agent B -> R2 { B1 <- killed } }
"""


def key_pair(folder: Path) -> tuple[Path, str]:
    subprocess.run(["age-keygen", "-o", folder / "key"], capture_output=True, check=True)
    done = subprocess.run(["age-keygen", "-y", folder / "key"], capture_output=True, text=True, check=True)
    return folder / "key", done.stdout.strip()


def opened(words: dict[str, str], payload: bytes, key: Path) -> bytes:
    """What the source gave, with the real programs."""
    for word, command in (("encrypt", ["age", "-d", "-i", key]), ("compress", ["zstd", "-dc"])):
        if word in words:
            payload = subprocess.run(command, input=payload, capture_output=True, check=True).stdout
    return payload


def volumes_of(folder: Path) -> list[independent.Read]:
    found = []
    for path in sorted(folder.glob("*.tar")):
        volume = independent.read(path)
        assert volume.wrong == [], path.name
        found.append(volume)
    assert found
    return found


def test_what_tcc_writes_is_what_the_page_says(bench: Any) -> None:
    folder: Path = bench.folder
    tree = folder / "tree"
    (tree / "deep").mkdir(parents=True)
    for number in range(30):
        (tree / "deep" / f"f{number}").write_bytes(os.urandom(number * 701))
    streams = {"exact": os.urandom(64_000), "empty": b"", "one": b"1", "long": os.urandom(900_000)}
    for name, data in streams.items():
        (folder / name).write_bytes(data)
    key, recipient = key_pair(folder)
    bench.write(PLAN % ("64KiB", recipient))
    assert bench.tcc("run", "plan.tc").code == 3

    bench.write(KILLED, "killed.tc")
    os.mkfifo(folder / "fifo")
    run = subprocess.Popen(
        ["tcc", "run", "killed.tc"],
        cwd=folder,
        env=bench.environment,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    (folder / "fifo").read_bytes()  # 400,000 bytes are on their way
    run.send_signal(signal.SIGKILL)
    run.wait(30)

    bench.write(PLAN % ("512KiB", recipient))
    assert bench.tcc("run", "plan.tc").code == 3
    bench.ok("volume", "label", "R2", "--plan", "plan.tc")
    bench.ok("draft", "migrate", "R3", "--plan", "plan.tc", "--to", "M1=media/M1", "--to", "M2=media/M2", "-o", "m.tc")
    bench.ok("run", "m.tc")

    drives = {name: volumes_of(folder / "media" / name) for name in ("R1", "R2", "R3", "M1", "M2")}
    assert len(drives["R1"]) > 3
    assert len(drives["R3"]) > 2
    (empty,) = [v for v in drives["R2"] if not v.indexes]
    assert empty is drives["R2"][-1]
    states = [index["state"] for volume in drives["R2"] for index in volume.indexes]
    assert set(states) <= {"ended", "recovered"}
    assert states.count("ended") == 2
    expected = {
        "odd%20%2F%20name%25": streams["exact"],
        "%69ndex": b"",
        "%2E.": b"1",
        "sealed": streams["long"],
        "little": b"x",
        "plain": streams["long"],
    }
    objects: list[dict[str, Any]] = []
    for name, volumes in drives.items():
        there = independent.whole(volumes)
        objects.append({uuid: hashlib.sha256(payload).digest() for uuid, (_, payload) in there.items()})
        given = [(words["source"], opened(words, payload, key)) for words, payload in there.values()]
        for source, data in expected.items():
            assert [d for s, d in given if s == source] == [data] * 2, (name, source)
        archives = [data for source, data in given if source == "tree"]
        assert len(archives) == 2
        for archive in archives:
            listed = subprocess.run(["tar", "-t"], input=archive, capture_output=True, check=True).stdout
            assert listed.count(b"deep/f") == 30
        assert not {"broken", "absent", "killed"} & {source for source, _ in given}
    assert all(found == objects[0] for found in objects), "the drives hold the same records"
    indexes = [index for volume in drives["R3"] for index in volume.indexes]
    assert {o["state"] for i in indexes for o in i["objects"] if o["source"] in {"broken", "absent"}} >= {"failed"}


@pytest.mark.parametrize(("indent", "spans"), [(None, False), (1, True)])
def test_what_a_stranger_writes_from_the_page_is_read_and_gone_on_with(
    bench: Any, indent: int | None, spans: bool
) -> None:
    folder: Path = bench.folder
    key, recipient = key_pair(folder)
    (folder / "tree").mkdir()
    (folder / "tree" / "file").write_bytes(os.urandom(100_000))
    tar = ["tar", "-c", "--format=posix", "-C", str(folder), "tree"]
    archive = subprocess.run(tar, capture_output=True, check=True).stdout
    long = os.urandom(300_000)
    frame = subprocess.run(["zstd", "-c"], input=long, capture_output=True, check=True).stdout
    sealed = subprocess.run(["age", "-r", recipient], input=frame, capture_output=True, check=True).stdout
    now = time.time_ns() // 1_000_000
    one, two = (
        {"session": independent.uuid7(now), "number": n, "plan": "a plan/ü", "started": independent.iso(now - 9000 + n)}
        for n in (1, 2)
    )
    first = [
        independent.Object("tree", archive, one, kind="files"),
        independent.Object("sealed", sealed, one, compress="zstd", encrypt="age"),
        independent.Object("index", b"", one, kind="command"),
        independent.Object("odd / name", long, one, room=262_144 - 1536),
    ]
    second = [independent.Object("again", b"a" * 64_000, two), independent.Object("tree", archive, two, kind="files")]
    volume = independent.Volume("R 1", 1, one, indent=indent, later={"key": 1}, record=262_144)
    mixed = [r for row in itertools.zip_longest(*(o.records() for o in first)) for r in row if r]
    for count, record in enumerate(mixed, 1):
        volume.put(record)
        if spans and count == 7:
            volume.index(one, goes_on={of.id for of, *_ in mixed[count:]})
            volume.save(folder / "media")
            volume = independent.Volume("R 1", 2, one, indent=indent, record=262_144)
    volume.index(one)
    for record in [r for o in second for r in o.records()]:
        volume.put(record)
    volume.index(two)
    volume.save(folder / "media")

    bench.ok("verify", "media")
    bench.ok("catalog", "rebuild", "media")
    known = json.loads(bench.ok("objects", "--json").out)
    assert {(o["object"], o["source"], o["status"]) for o in known} == {
        (o.id, o.source, "whole") for o in (*first, *second)
    }
    for source, file, data in (
        ("sealed", "sealed", long),
        ("index", "%69ndex", b""),
        ("odd / name", "odd%20%2F%20name", long),
        ("again", "again", b"a" * 64_000),
        ("tree", "tree/file", (folder / "tree" / "file").read_bytes()),
    ):
        back = folder / f"back {source.replace('/', '')}"
        bench.ok("restore", source, "--plan-name", "a plan/ü", "--from", "media", "--to", back, "--identity", key)
        assert (back / file).read_bytes() == data

    bench.write(
        'plan next { record = 64KiB }\nsource s { stream = "tree/file" }\ndrive "R 1" { volumes = "media" }\n'
        'backup group g { agent A -> "R 1" { B1 <- s } }\n'
    )
    bench.ok("run", "plan.tc")
    paths = sorted((folder / "media").iterdir())
    assert len(paths) == 1 + spans, "the session is appended to the stranger's volume"
    last = independent.read(paths[-1])
    assert [what for _, what in last.wrong if "label keys" not in what] == []
    assert [index["number"] for index in last.indexes] == [1, 2, 3]
    assert len(independent.whole([independent.read(path) for path in paths])) == len(known) + 1
    bench.ok("verify", "media")
