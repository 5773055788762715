"""Records: what is sealed is read back, and nothing else is (docs/format.md, "A record"; R1, R2)."""

import struct
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from media_world import RECORD, ROOM, records_of, uuid_of
from tapechain.runtime import kinds
from tapechain.runtime.media import record
from tapechain.runtime.media.record import HEADER_BYTES, BadRecord
from tapechain.runtime.model import ObjectFacts, Session

SESSION = Session(uuid_of(1), 17, "figure2", "ab" * 32, "2026-11-20T02:00:00.123Z")
FACTS = ObjectFacts(uuid_of(2), "D1", "files", SESSION, drives=("R1",))

names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60)
source_names = names.filter(lambda name: len(kinds.encode_name(name)) <= 52)
all_facts = st.builds(
    ObjectFacts,
    id=st.integers(0, 2**60).map(uuid_of),
    source=source_names,
    kind=st.sampled_from(kinds.SOURCE_KINDS),
    session=st.builds(
        Session,
        id=st.integers(0, 2**60).map(uuid_of),
        number=st.integers(0, 10**18 - 1),
        plan=names,
        fingerprint=st.just(""),
        started=st.just("2026-11-20T02:00:00.123Z"),
    ),
    compress=st.sampled_from([None, "zstd"]),
    encrypt=st.sampled_from([None, "age"]),
)


def sealed(facts: ObjectFacts = FACTS, payload: bytes = b"payload", sequence: int = 0, *, last: bool = True) -> bytes:
    slot = memoryview(bytearray(b"\xff" * RECORD))
    slot[HEADER_BYTES : HEADER_BYTES + len(payload)] = payload
    return bytes(slot[: record.seal(slot, facts, sequence, len(payload), last=last)])


#: A full that was merged from a chain has a parent, too: the object that it stands for.
LEVELS = st.sampled_from(
    [{}, {"level": "incremental", "parent": uuid_of(99)}, {"level": "full", "parent": uuid_of(99)}]
)


@given(all_facts, st.binary(max_size=3000), st.integers(0, 10**10 - 1), st.booleans(), LEVELS)
@settings(max_examples=150, deadline=None)
def test_what_is_sealed_is_read_back(
    facts: ObjectFacts, payload: bytes, sequence: int, last: bool, level: dict[str, Any]
) -> None:
    facts = replace(facts, **level)
    data = sealed(facts, payload, sequence, last=last)
    header = record.check(data)
    assert (header.object_id, header.source, header.sequence) == (facts.id, facts.source, sequence)
    assert (header.last, header.payload_bytes, header.total_bytes) == (last, len(payload), len(data))
    assert data[HEADER_BYTES : HEADER_BYTES + len(payload)] == payload
    assert len(data) % 512 == 0
    if sequence:
        assert header.first is None
        return
    assert header.first is not None
    assert (header.first.kind, header.first.level, header.first.parent) == (facts.kind, facts.level, facts.parent)
    assert (header.first.compress, header.first.encrypt) == (facts.compress, facts.encrypt)
    session = header.first.session
    assert (session.id, session.number, session.started) == (
        facts.session.id, facts.session.number, facts.session.started,
    )  # fmt: skip
    if len(kinds.encode_name(facts.session.plan)) <= 52:
        assert session.plan == facts.session.plan
    else:
        assert session.plan.endswith("~")
        assert kinds.encode_name(facts.session.plan).startswith(session.plan[:-1])


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_any_changed_byte_is_noticed(data: st.DataObject) -> None:
    good = sealed(payload=b"some payload", sequence=data.draw(st.sampled_from([0, 3])))
    position = data.draw(st.integers(0, len(good) - 1))
    bad = bytearray(good)
    bad[position] ^= data.draw(st.integers(1, 255))
    with pytest.raises(BadRecord):
        record.check(bytes(bad))


def test_every_flipped_byte_of_one_record_is_noticed() -> None:
    good = sealed(payload=b"p" * 700)
    unnoticed = []
    for position in range(len(good)):
        bad = bytearray(good)
        bad[position] ^= 0x01
        try:
            record.check(bytes(bad))
        except BadRecord:
            continue
        unnoticed.append(position)
    assert unnoticed == []


@given(st.binary(max_size=2048))
@example(b"")
@example(bytes(1536))
@settings(max_examples=100, deadline=None)
def test_bytes_from_anywhere_are_bad_records_and_nothing_worse(data: bytes) -> None:
    with pytest.raises(BadRecord):
        record.parse(data)


LABEL_EDITS = {
    "a size beyond any record": (b"size=7 ", b"size=99999999 "),
    "a size with leading zeros": (b"size=7 ", b"size=007 "),
    "another sequence": (b"sequence=0 ", b"sequence=4 "),
    "an object beyond the times of tar": (b"object=", b"object=f"),
    "another source": (b"source=D1", b"source=D2"),
    "a source with a slash": (b"source=D1", b"source=D/"),
    "a source that climbs": (b"source=D1", b"source=.."),
    "a later format": (b"tapechain=1", b"tapechain=2"),
    "a word more": (b" last=1", b" last=1 more=1"),
    "no words of a first record": (b" kind=files", b""),
    "a day that does not exist": (b"started=2026-11-20", b"started=2026-13-40"),
    "an incremental without parent": (b"level=full", b"level=incremental"),
}


@pytest.mark.parametrize("edit", LABEL_EDITS, ids=str)
def test_a_label_that_lies_is_refused(edit: str) -> None:
    old, new = LABEL_EDITS[edit]
    good = sealed()
    label = good[512:1024].rstrip(b"\0")
    assert old in label
    label = label.replace(old, new)[:512]
    text = label.split(b"comment=", 1)[1]
    label = b"%d comment=%b" % (len(text) + 12, text)
    with pytest.raises(BadRecord) as refused:
        record.parse(good[:512] + label.ljust(512, b"\0")[:512] + good[1024:])
    assert str(refused.value)


def test_a_number_that_no_integer_should_hold_is_refused_unread() -> None:
    good = sealed()
    huge = b"999 comment=tapechain=1 object=%b sequence=%b" % (FACTS.id.encode(), b"9" * 400)
    with pytest.raises(BadRecord):
        record.parse(good[:512] + huge.ljust(512, b"\0") + good[1024:])


def test_the_headers_are_what_the_format_says() -> None:
    data = sealed(payload=b"x" * 513, sequence=7, last=False)
    assert len(data) == 1536 + 1024
    assert data[:100].rstrip(b"\0").decode() == f"{FACTS.id}/PaxHeaders/0000000007"
    assert data[1024:1124].rstrip(b"\0").decode() == f"D1/{FACTS.id}/0000000007"
    for base, kind in ((0, b"x"), (1024, b"0")):
        block = data[base : base + 512]
        mode, uid, gid, size, mtime, checksum, typeflag = struct.unpack("8s8s8s12s12s8sc", block[100:157])
        assert (mode, uid, gid) == (b"0000440\0", b"0000000\0", b"0000000\0")
        assert int(mtime[:11], 8) == 1_763_000_000
        assert typeflag == kind
        assert block[257:265] == b"ustar\x0000"
        assert checksum == b"%06o\0 " % (sum(block[:148]) + sum(block[156:]) + 8 * 32)
        assert int(size[:11], 8) == (513 if kind == b"0" else len(data[512:1024].rstrip(b"\0")))
    label = data[512:1024].rstrip(b"\0").decode()
    assert label.startswith(f"{len(label)} comment=tapechain=1 object={FACTS.id} sequence=7 size=513 source=D1 xxh3=")


def test_the_longest_label_fits() -> None:
    session = replace(SESSION, number=10**18 - 1, plan="ü" * 128)
    facts = replace(
        FACTS, source="s" * 52, kind="command", session=session, level="incremental", parent=uuid_of(5),
        compress="zstd", encrypt="age",
    )  # fmt: skip
    data = sealed(facts, b"x" * ROOM, 0, last=True)
    assert record.check(data).first is not None
    assert len(data) == RECORD


def test_an_object_of_many_records_is_cut_at_the_payload_room() -> None:
    parts = [record.check(part) for part in records_of(FACTS, bytes(2 * ROOM + 1))]
    assert [part.payload_bytes for part in parts] == [ROOM, ROOM, 1]
    assert [part.last for part in parts] == [False, False, True]
    assert [part.total_bytes for part in parts] == [RECORD, RECORD, 2048]


@pytest.mark.parametrize(
    "facts",
    [
        replace(FACTS, source="s" * 53),
        replace(FACTS, source=""),
        replace(FACTS, id="0197a2c4"),
        replace(FACTS, level="incremental"),
        replace(FACTS, session=replace(SESSION, started="yesterday")),
        replace(FACTS, session=replace(SESSION, number=-1)),
    ],
)
def test_facts_that_no_label_can_hold_are_refused_when_sealing(facts: ObjectFacts) -> None:
    with pytest.raises(ValueError, match=r"."):
        sealed(facts)


def test_a_payload_that_does_not_fit_the_slot_is_refused() -> None:
    slot = memoryview(bytearray(2048))
    for payload_bytes, sequence in ((513, 0), (-1, 0), (1, 10**10)):
        with pytest.raises(ValueError, match="does not fit"):
            record.seal(slot, FACTS, sequence, payload_bytes, last=False)


def test_padding_and_tail_of_a_used_slot_are_zeros() -> None:
    data = sealed(payload=b"abc")
    assert data[HEADER_BYTES + 3 :] == bytes(509)
