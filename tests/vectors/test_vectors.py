"""Golden volumes: today's writer makes their bytes, today's reader reads them (house.md, "Tests")."""

import gzip
import hashlib
import json
import subprocess
from pathlib import Path

import make_vectors
import pytest
from tapechain.runtime.media.scanned import ScannedRecord
from tapechain.runtime.media.volume import open_volume

HEADER, LABEL_BYTES = 512, 16_384
V1 = Path(__file__).parent / "v1"
NAMES = ("D-000001.tar", "D-000002.tar")
#: So that nobody edits a vector without changing this line too.
SHA256 = {
    "D-000001.tar": "c8c12952002a721363bc7ed1de33f0ac36b6f98a048c163ca0c84237c56e8a45",
    "D-000002.tar": "40e7eeafde0af314f5a8245eda886c6ffefeba3e81692026c8df89a13cdf1c26",
}


@pytest.fixture
def volumes(tmp_path: Path) -> list[Path]:
    """The golden volumes, unpacked."""
    for name in NAMES:
        (tmp_path / name).write_bytes(gzip.decompress((V1 / f"{name}.gz").read_bytes()))
    return [tmp_path / name for name in NAMES]


def test_the_vectors_are_what_they_were(volumes: list[Path]) -> None:
    assert {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in volumes} == SHA256
    assert sorted(path.name for path in V1.iterdir()) == [f"{name}.gz" for name in NAMES]


def test_todays_writer_makes_the_same_bytes(volumes: list[Path], tmp_path: Path) -> None:
    """But for the label's recovery commands: they are help for people, and may become better."""
    made = tmp_path / "made"
    make_vectors.write(made)
    assert [path.name for path in sorted(made.iterdir())] == [path.name for path in volumes]
    for path in volumes:
        new, old = (made / path.name).read_bytes(), path.read_bytes()
        assert new[:HEADER] == old[:HEADER], f"{path.name}: its label's header is written differently today"
        assert new[LABEL_BYTES:] == old[LABEL_BYTES:], f"{path.name} is written differently today"
        label, was = (json.loads(data[HEADER:LABEL_BYTES]) for data in (new, old))
        assert list(label) == list(was)
        assert label.pop("recover").keys() >= was.pop("recover").keys()
        del label["check"], was["check"]
        assert label == was


def test_todays_reader_reads_every_stream(volumes: list[Path]) -> None:
    found: dict[str, bytes] = {}
    for path in volumes:
        with open_volume(path) as reader:
            for item in reader.scan():
                assert isinstance(item, ScannedRecord)
                found[item.header.object_id] = found.get(item.header.object_id, b"") + bytes(item.payload)
    for number in (1, 2, 3):
        for stream in make_vectors.streams(make_vectors.session(number)):
            whole = found.pop(stream.facts.id)
            if (number, stream.facts.source) == (3, "etc"):
                assert whole == stream.payload[: make_vectors.ROOM]
            else:
                assert whole == stream.payload
    assert found == {}


def test_todays_reader_reads_every_index(volumes: list[Path]) -> None:
    sessions = []
    for path in volumes:
        with open_volume(path) as reader:
            contents = reader.indexes()
            assert (contents.notes, contents.damages) == ((), ())
            assert contents.end + 1024 == reader.size
            sessions += [(path.stem, index) for index in contents.sessions]
    assert [(name, index.session.number, index.state) for name, index in sessions] == [
        ("D-000001", 1, "ended"),
        ("D-000001", 2, "ended"),
        ("D-000002", 2, "ended"),
        ("D-000002", 3, "recovered"),
    ]
    states = [[(item.source, item.state, item.records, item.first_sequence) for item in i.objects] for _, i in sessions]
    assert states == [
        [
            ("home", "whole", 2, 0),
            ("empty", "whole", 1, 0),
            ("shop dump/ä", "whole", 1, 0),
            ("broken", "failed", 1, 0),
            ("stopped", "cut-off", 1, 0),
        ],
        [("home", "cut-off", 1, 0), ("etc", "whole", 1, 0)],
        [("home", "whole", 2, 1)],
        [("home", "whole", 1, 0), ("etc", "cut-off", 1, 0)],
    ]
    first, second, _, recovered = (index for _, index in sessions)
    assert [item.kind for item in first.objects] == ["files", "stream", "command", "command", "files"]
    assert first.objects[2].warnings == ("file changed as we read it",)
    assert (first.objects[2].unread, first.objects[0].drives) == (1, ("D", "E"))
    assert (second.objects[0].level, second.objects[0].parent) == ("incremental", first.objects[0].object_id)
    assert (second.objects[0].compress, second.objects[1].encrypt) == ("zstd", "age")
    assert (second.objects[0].continues, recovered.objects[0].drives) == (True, ())
    for _, index in sessions:
        expected = make_vectors.session(index.session.number)
        assert (index.session.id, index.session.started, index.session.plan) == (
            expected.id,
            expected.started,
            expected.plan,
        )


def test_the_labels_say_what_they_said(volumes: list[Path]) -> None:
    labels = []
    for path in volumes:
        text = subprocess.run(["tar", "-xOf", path, "tapechain.json"], capture_output=True, check=True).stdout
        labels.append(json.loads(text))
    assert [(label["name"], label["number"], label["record"], label["capacity"]) for label in labels] == [
        ("D-000001", 1, 65536, 280_000),
        ("D-000002", 2, 65536, 280_000),
    ]
    assert labels[0]["recover"]["object (GNU tar)"] == [
        "tar -xOf D-000001.tar --wildcards -- 'SOURCE/OBJECT/*' > OBJECT.data"
    ]


def test_plain_tar_brings_a_spanned_object_back(volumes: list[Path]) -> None:
    stream = make_vectors.streams(make_vectors.session(2))[0]
    data = b"".join(
        subprocess.run(
            ["tar", "-xOf", path, "--wildcards", "--", f"home/{stream.facts.id}/*"], capture_output=True, check=True
        ).stdout
        for path in volumes
    )
    assert data == stream.payload
