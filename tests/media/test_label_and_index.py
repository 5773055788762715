"""Labels, indexes, pointers: round trips, and hostile bytes that end in a MediaFault and nothing worse (R1, R4, R5)."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from media_world import uuid_of
from tapechain.runtime import kinds
from tapechain.runtime.faults import MediaFault
from tapechain.runtime.media import index, label, ustar
from tapechain.runtime.media.index import Index, IndexedObject
from tapechain.runtime.media.label import LABEL_BYTES, VolumeLabel
from tapechain.runtime.model import Session

SESSION = Session(uuid_of(1), 17, "figure2", "ab" * 32, "2026-11-20T02:00:00.123Z")
LABEL = VolumeLabel(uuid_of(3), "R1-000001", "R1", "A1", None, "2026-11-20T02:00:01.000Z", 1 << 20, None, SESSION)
ITEM = IndexedObject(
    "D1", uuid_of(4), "files", "full", None, None, None, 16384, 81920, 0, 2, 70000, "whole", drives=("R1", "R5"),
    warnings=("file changed as we read it: \udcff\n",), unread=2,
)  # fmt: skip
INDEX = Index(LABEL.volume, SESSION, "R1", "A1", "2026-11-20T02:00:09.000Z", 1.5, "ended", 16384, None, (ITEM,), 90112)

names = st.text(min_size=1, max_size=40).filter(
    lambda text: text.encode("utf-8", "replace").decode() == text and len(kinds.encode_name(text)) <= 128
)


@given(names, names, st.none() | names, names, st.none() | st.integers(0, 2**63 - 1), st.integers(1, 999_999))
@settings(max_examples=80, deadline=None)
def test_a_label_is_read_back(
    drive: str, agent: str, pool: str | None, plan: str, capacity: int | None, number: int
) -> None:
    one = replace(
        LABEL, drive=drive, name=label.volume_name(drive, number), agent=agent, pool=pool, capacity=capacity,
        session=replace(SESSION, plan=plan),
    )  # fmt: skip
    data = label.encode(one)
    assert len(data) == LABEL_BYTES
    assert label.decode(data, volume=one.name) == one


def test_the_longest_names_fit_a_label() -> None:
    name = "%" * 42
    one = replace(
        LABEL, drive=name, name=label.volume_name(name, 999_999), agent="\x01" * 42, pool="\U0001f4fc" * 10,
        session=replace(SESSION, plan="\U0001f4fc" * 10),
    )  # fmt: skip
    assert label.decode(label.encode(one), volume=one.name) == one


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_a_changed_byte_of_a_label_is_noticed_or_harmless(data: st.DataObject) -> None:
    good = label.encode(LABEL)
    position = data.draw(st.integers(0, len(good) - 1))
    bad = bytearray(good)
    bad[position] ^= data.draw(st.integers(1, 255))
    try:
        read = label.decode(bytes(bad), volume="R1-000001")
    except MediaFault:
        return
    # White space of the padding may change into other white space: no word does.
    assert read == LABEL


LIES = {
    "tapechain": [2, True, None, "1", 10**30],
    "volume": ["", "x", 7, uuid_of(9)],
    "name": ["R1-000002", "R2-000001", "../R1-000001", "R1-000000", "R1-1", 5],
    "drive": ["R2", None, ""],
    "created": ["2026-11-20", "9999-99-99T00:00:00.000Z", None],
    "record": [0, -1, 1 << 40, "1", True, 1.5],
    "capacity": [-1, "big"],
    "session": ["x", None],
    "number": [-1, 1e9],
    "check": ["", "0" * 32, None],
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in LIES.items() for value in values])
def test_a_label_that_lies_is_refused(key: str, value: object) -> None:
    good = label.encode(LABEL)
    document = json.loads(good[512:])
    document[key] = value
    text = json.dumps(document).encode()
    with pytest.raises(MediaFault) as refused:
        label.decode(good[:512] + text.ljust(LABEL_BYTES - 512, b" "), volume="R1-000001")
    assert refused.value.place.volume == "R1-000001"


@pytest.mark.parametrize(
    "text", [b"[" * 15_000, b"{", b"", b"null", b'{"tapechain": ' + b"9" * 14_000 + b"}", b'{"tapechain": 1}', b"\xff"]
)
def test_a_label_member_that_holds_no_label_is_refused(text: bytes) -> None:
    good = label.encode(LABEL)
    with pytest.raises(MediaFault):
        label.decode(good[:512] + text.ljust(LABEL_BYTES - 512, b" "), volume="R1-000001")


@given(st.binary(max_size=1024))
@settings(max_examples=50, deadline=None)
def test_what_is_no_label_at_all_is_refused(data: bytes) -> None:
    for candidate in (data, data.ljust(LABEL_BYTES, b"\0"), b"tapechain.json\0" + data.ljust(LABEL_BYTES, b"\0")):
        with pytest.raises(MediaFault):
            label.decode(candidate, volume="R1-000001")


# ---------------------------------------------------------------- indexes


def written(one: Index = INDEX, position: int = 90112) -> tuple[bytes, bytes]:
    data = index.encode(one, position)
    assert len(data) % 512 == 0
    return data[: -index.POINTER_BYTES], data[-index.POINTER_BYTES :]


def read(member: bytes, pointer: bytes, position: int = 90112) -> Index:
    return index.decode(member, pointer, position, volume_id=LABEL.volume, volume=LABEL.name)


items = st.builds(
    replace,
    st.just(ITEM),
    source=names,
    object_id=st.integers(0, 2**60).map(uuid_of),
    kind=st.sampled_from([None, "files", "stream", "command"]),
    state=st.sampled_from(["whole", "cut-off", "failed"]),
    warnings=st.lists(st.text(max_size=50), max_size=3).map(tuple),
    origin=st.sampled_from([None, replace(SESSION, id=uuid_of(77), plan="other")]),
    continued=st.booleans(),
    continues=st.booleans(),
)


@given(st.lists(items, max_size=5, unique_by=lambda item: item.object_id))
@settings(max_examples=60, deadline=None)
def test_an_index_is_read_back(objects: list[IndexedObject]) -> None:
    one = replace(INDEX, objects=tuple(objects))
    assert read(*written(one)) == one


@given(st.lists(items, max_size=5, unique_by=lambda item: item.object_id))
@settings(max_examples=60, deadline=None)
def test_the_room_reckoned_for_an_index_is_enough(objects: list[IndexedObject]) -> None:
    one = replace(INDEX, objects=tuple(objects), seconds=10.0**9, first=10**15, previous=10**15)
    entries = sum(len(index.encode_object(item)) for item in objects)
    room = index.room(entries, len(objects), index.head_bytes(replace(INDEX, objects=())))
    assert len(index.encode(one, 10**17)) <= room


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_a_changed_byte_of_index_or_pointer_is_noticed(data: st.DataObject) -> None:
    member, pointer = written()
    raw = bytearray(member + pointer)
    position = data.draw(st.integers(0, len(raw) - 1))
    raw[position] ^= data.draw(st.integers(1, 255))
    with pytest.raises(MediaFault):
        read(bytes(raw[: len(member)]), bytes(raw[len(member) :]))


def proved(document: dict[str, object], position: int = 90112) -> tuple[bytes, bytes]:
    """An index with any words at all, and a pointer that proves it."""
    from xxhash import xxh3_128_hexdigest

    text = json.dumps(document).encode() + b"\n"
    member, _ = written()
    mtime = int(member[136:147], 8)
    words = (
        f"tapechain=1 volume={LABEL.volume} session={SESSION.id} index={position} size={len(text)}"
        f" xxh3={xxh3_128_hexdigest(text)}"
    )
    words += f" check={xxh3_128_hexdigest(words.encode())}\n"
    pointer = ustar.header(f"index/{SESSION.id}.end".encode(), len(words), mtime) + words.encode().ljust(512, b"\0")
    return ustar.header(f"index/{SESSION.id}.json".encode(), len(text), mtime) + text, pointer


INDEX_LIES: list[tuple[str, object]] = [
    ("tapechain", 2), ("volume", uuid_of(8)), ("session", uuid_of(8)), ("session", "x"), ("number", -1),
    ("started", "x"), ("ended", "x"), ("ended", "2031-01-01T00:00:00.000Z"), ("seconds", -1), ("seconds", float("inf")),
    ("seconds", float("nan")), ("seconds", True), ("state", "fine"), ("first", 0), ("first", 10**20), ("previous", 3),
    ("previous", 99999), ("objects", {}), ("objects", [1]), ("objects", [[]]),
]  # fmt: skip
OBJECT_LIES: list[tuple[str, object]] = [
    ("source", 1), ("source", "s" * 2000), ("object", "x"), ("kind", "folder"), ("level", None), ("parent", "x"),
    ("first", 0), ("first", 10**20), ("last", 0), ("last", 90112), ("records", -1), ("records", 0), ("bytes", -1),
    ("bytes", "1"), ("state", ""), ("continued", 1), ("drives", "R1"), ("drives", [1]), ("unread", -1),
    ("warnings", ["w" * 5000]), ("warnings", ["w"] * 5000), ("origin", []), ("origin", {}),
]  # fmt: skip


def document() -> dict[str, object]:
    member, _ = written()
    loaded = json.loads(member[512:].rstrip(b"\0"))
    assert isinstance(loaded, dict)
    return loaded


def test_the_proved_document_itself_is_believed() -> None:
    assert read(*proved(document())) == INDEX


@pytest.mark.parametrize(("key", "value"), INDEX_LIES)
def test_an_index_that_lies_is_not_believed(key: str, value: object) -> None:
    with pytest.raises(MediaFault):
        read(*proved(document() | {key: value}))


@pytest.mark.parametrize(("key", "value"), OBJECT_LIES)
def test_an_index_with_an_object_that_lies_is_not_believed(key: str, value: object) -> None:
    entry = json.loads(index.encode_object(ITEM)) | {key: value}
    with pytest.raises(MediaFault):
        read(*proved(document() | {"objects": [entry]}))


def test_an_index_that_lists_an_object_twice_is_not_believed() -> None:
    entry = json.loads(index.encode_object(ITEM))
    with pytest.raises(MediaFault, match="twice"):
        read(*proved(document() | {"objects": [entry, entry]}))


def test_an_index_of_another_volume_or_place_is_not_believed() -> None:
    member, pointer = written()
    with pytest.raises(MediaFault):
        index.decode(member, pointer, 90112, volume_id=uuid_of(8), volume="R1-000001")
    with pytest.raises(MediaFault):
        read(member, pointer, 90624)


def test_a_pointer_to_more_than_the_largest_index_is_none() -> None:
    huge = ustar.header(f"index/{SESSION.id}.json".encode(), index.INDEX_BYTES_MAX + 1, 5)
    assert index.index_size(huge) is None


@given(st.binary(max_size=1024))
@settings(max_examples=60, deadline=None)
def test_bytes_from_anywhere_are_no_pointer(data: bytes) -> None:
    assert index.decode_pointer(data) is None
    assert index.decode_pointer(data.ljust(1024, b"\0")) is None
    assert index.decode_pointer((b"index/" + data).ljust(1024, b"\0")[:1024]) is None
