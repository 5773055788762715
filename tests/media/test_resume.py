"""Finding the next member behind a damaged one: what its own header still says, and what the usual size hides."""

import os

import pytest
from media_world import RECORD, ROOM, Job, World
from tapechain.runtime.media.label import LABEL_BYTES
from tapechain.runtime.media.record import likely_totals
from tapechain.runtime.media.scanned import ScannedRecord
from tapechain.runtime.media.volume import open_volume


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


@pytest.mark.parametrize("hurt", ["all of its headers", "its label", "its member's header", "the size in both"])
def test_short_records_behind_a_damaged_short_one_are_found_though_the_usual_size_hits_a_member(world, hurt) -> None:
    """The last records of three objects take as much as one full record: what lies behind is where it is guessed."""
    session = world.session(1)
    lasts = {"D1": 3072, "D2": 54_784, "D3": RECORD - 3072 - 54_784}
    streams = {world.facts(session, name): os.urandom(ROOM + total - 1536) for name, total in lasts.items()}
    Job(streams).run(world.drive(), session)
    (path,) = world.volumes()
    with open_volume(path) as reader:
        found = [m for m in reader.members(LABEL_BYTES, reader.size, check=True) if isinstance(m, ScannedRecord)]
        index = reader.last_index()
    damaged = found[3]
    assert index is not None and damaged.position + RECORD == index.position
    data = bytearray(path.read_bytes())
    start, end = {
        "all of its headers": (0, 1536), "its label": (512, 1024), "its member's header": (1024, 1536),
        "the size in both": (560, 1200),
    }[hurt]  # fmt: skip
    data[damaged.position + start : damaged.position + end] = os.urandom(end - start)
    path.write_bytes(data)
    with open_volume(path) as reader:
        after = [m for m in reader.members(LABEL_BYTES, reader.size, check=True) if isinstance(m, ScannedRecord)]
    assert [m.position for m in after] == [m.position for m in found if m is not damaged]


def test_a_damaged_header_says_how_long_its_record_is_as_far_as_it_can(world) -> None:
    session = world.session(1)
    Job({world.facts(session): b"x" * 1000}).run(world.drive(), session)
    head = world.volumes()[0].read_bytes()[LABEL_BYTES : LABEL_BYTES + 1536]
    assert likely_totals(head) == (1536 + 1024,)
    assert likely_totals(head[:512] + bytes(512) + head[1024:]) == (2560,)
    assert likely_totals(head[:1024] + bytes(512)) == (2560,)
    assert likely_totals(bytes(1536)) == ()
    lying = head[:1024] + head[1024:1148] + b"77777777777" + head[1159:]
    assert likely_totals(lying) == (2560,)  # its checksum does not vouch for it
