"""Records: packets of an object, archive members, built once where the source is read (docs/format.md, "A record").

``seal`` is the hot path: once a record, on the reader's thread. All that is the same for an object's records is
formatted once and kept; a record costs one digest, three small formats and one copy of 1536 bytes.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from xxhash import xxh3_128

from .. import kinds
from ..frozen import frozen
from ..kinds import SourceKind
from ..model import ObjectFacts, Session
from . import ids, times, ustar

HEADER_BYTES: Final = 1536
#: Ten digits of SEQUENCE.
SEQUENCE_LIMIT: Final = 10**10
#: Longest plan name in a label, encoded; a longer one is cut and marked with ``~`` (docs/format.md).
PLAN_BYTES_MAX: Final = 52
#: The session's count in its catalog.
NUMBER_LIMIT: Final = 10**18

Buffer = bytes | bytearray | memoryview


class BadRecord(Exception):
    """What lies there is not the record that it says it is (or no record at all); ``str()`` is the reason."""


@frozen
class FirstWords:
    """What record 0's label says of its object beyond the other records' labels.

    ``session.fingerprint`` is empty: labels do not bear it. ``session.plan`` ends with ``~`` where the label had no
    room for the whole (encoded) name.
    """

    session: Session
    kind: SourceKind
    level: str
    parent: str | None
    compress: str | None
    encrypt: str | None


@frozen
class RecordHeader:
    """Bytes 0–1535 of a record, checked. ``source`` is the plan's name; ``covered`` the label before ``xxh3=``."""

    object_id: str
    sequence: int
    payload_bytes: int
    total_bytes: int
    last: bool
    source: str
    first: FirstWords | None
    digest: str
    covered: bytes


def total_bytes(payload_bytes: int) -> int:
    """Bytes of a whole record with *payload_bytes* of payload."""
    return HEADER_BYTES + ustar.padded(payload_bytes)


# ---------------------------------------------------------------- writing


def seal(slot: memoryview, facts: ObjectFacts, sequence: int, payload_bytes: int, *, last: bool) -> int:
    """Make a record of the payload that lies at byte 1536 of *slot*: write label and headers, pad with zeros.

    Returns the record's bytes in all. Raises ValueError where the numbers do not fit the slot or the format (a caller's
    mistake: the world has no part in it).
    """
    total = HEADER_BYTES + -(-payload_bytes // 512) * 512
    if payload_bytes < 0 or total > len(slot) or total > kinds.RECORD_BYTES_MAX or not 0 <= sequence < SEQUENCE_LIMIT:
        raise ValueError(f"record {sequence} with {payload_bytes} bytes of payload does not fit")
    head, tail, first = _words(facts)
    text = b"%bsequence=%d size=%d %b%b" % (head, sequence, payload_bytes, b"last=1 " if last else b"", tail)
    if sequence == 0:
        text += first
    digest = xxh3_128(text)
    end = HEADER_BYTES + payload_bytes
    digest.update(slot[HEADER_BYTES:end])
    slot[:HEADER_BYTES] = _headers(
        _template(facts.id, facts.source), text, sequence, payload_bytes, digest.hexdigest().encode()
    )
    if end != total:
        slot[end:total] = bytes(total - end)
    return total


@lru_cache(maxsize=4096)
def _words(facts: ObjectFacts) -> tuple[bytes, bytes, bytes]:
    """The label's words before ``sequence=``, behind ``last=1``, and what record 0 adds."""
    _check_facts(facts)
    session = facts.session
    words = [
        f" plan={plan_word(session.plan)} session={session.id} number={session.number} started={session.started}",
        f" kind={facts.kind} level={facts.level}",
    ]
    words += [f" {key}={value}" for key in ("parent", "compress", "encrypt") if (value := getattr(facts, key))]
    source = kinds.encode_name(facts.source)
    return f"tapechain=1 object={facts.id} ".encode(), f"source={source}".encode(), "".join(words).encode()


def _check_facts(facts: ObjectFacts) -> None:
    session = facts.session
    good = (
        ids.is_id(facts.id)
        and ids.is_id(session.id)
        and (facts.parent is not None or facts.level == "full")
        and (facts.parent is None or ids.is_id(facts.parent))
        and times.is_time(session.started)
        and 0 <= session.number < NUMBER_LIMIT
        and facts.kind in kinds.SOURCE_KINDS
        and facts.level in ("full", "incremental")
        and facts.compress in (None, "zstd")
        and facts.encrypt in (None, "age")
    )
    if not good:
        raise ValueError(f"these facts cannot be written in a label: {facts}")


def plan_word(plan: str) -> str:
    """A plan's name for a label: encoded, cut to 52 bytes with ``~`` at its end where it is longer."""
    word = kinds.encode_name(plan)
    if len(word) <= PLAN_BYTES_MAX:
        return word
    kept = ""
    for character in plan:
        piece = kinds.encode_name(character) if character != "." else "."
        if len(kept) + len(piece) > PLAN_BYTES_MAX - 1:
            break
        kept += piece
    return kept + "~"


@frozen
class _Template:
    """The constant parts of an object's two ustar headers, and the sums of their bytes for the checksums."""

    x_name: bytes
    x_middle: bytes
    x_tail: bytes
    x_sum: int
    name: bytes
    middle: bytes
    tail: bytes
    sum: int
    #: the constant 13 bytes between size and checksum: mtime
    mtime: bytes


@lru_cache(maxsize=4096)
def _template(object_id: str, source: str) -> _Template:
    encoded = kinds.encode_name(source)
    if len(encoded) > kinds.SOURCE_NAME_BYTES_MAX or not encoded:
        raise ValueError(f"the source name {source!r} does not fit a member's name")
    mtime = ids.seconds_of(object_id)
    parts: list[tuple[bytes, bytes, bytes, int, bytes]] = []
    for kind, text in ((b"x", f"{object_id}/PaxHeaders/"), (b"0", f"{encoded}/{object_id}/")):
        owner, tail = ustar.frame(mtime, kind)
        name = text.encode()
        middle = bytes(ustar.NAME_BYTES_MAX - len(name) - 10) + owner
        parts.append((name, middle, tail[13:], sum(name) + sum(middle) + sum(tail) + 8 * 0x20, tail[:13]))
    x, member = parts
    return _Template(x[0], x[1], x[2], x[3], member[0], member[1], member[2], member[3], member[4])


def _headers(template: _Template, text: bytes, sequence: int, payload_bytes: int, digest: bytes) -> bytes:
    """Bytes 0–1535 of a record from its label's text before `` xxh3=`` and the digest."""
    digits = b"%010d" % sequence
    # "NNN comment=" + text + " xxh3=" + digest + "\n": the length has three digits for every label of this format.
    length = 12 + len(text) + 6 + 32 + 1
    if not 100 <= length <= 512:
        raise ValueError(f"the label needs {length} bytes")
    x_size = b"%011o" % length
    size = b"%011o" % payload_bytes
    total = sum(digits)
    t = template
    return b"".join(
        (
            t.x_name, digits, t.x_middle, x_size, t.mtime, b"%06o\0 " % (t.x_sum + total + sum(x_size)), t.x_tail,
            b"%d comment=%b xxh3=%b\n" % (length, text, digest), bytes(512 - length),
            t.name, digits, t.middle, size, t.mtime, b"%06o\0 " % (t.sum + total + sum(size)), t.tail,
        )
    )  # fmt: skip


# ---------------------------------------------------------------- reading

_NAME: Final = rb"[A-Za-z0-9_.%-]"
_UUID: Final = rb"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_LABEL: Final = re.compile(
    rb"([1-9][0-9]{2}) comment=(tapechain=1 object=("
    + _UUID
    + rb") sequence=(0|[1-9][0-9]{0,9}) size=(0|[1-9][0-9]{0,8})"
    rb"( last=1)? source=(" + _NAME + rb"{1,52})"
    rb"( plan=(" + _NAME + rb"{0,52}|" + _NAME + rb"{0,51}~) session=(" + _UUID + rb") number=(0|[1-9][0-9]{0,17})"
    rb" started=([0-9T:.Z-]{24}) kind=(files|stream|command) level=(full|incremental)"
    rb"(?: parent=(" + _UUID + rb"))?(?: compress=(zstd))?(?: encrypt=(age))?)?) xxh3=([0-9a-f]{32})\n"
)
_KINDS: Final[dict[bytes, SourceKind]] = {kind.encode(): kind for kind in kinds.SOURCE_KINDS}


def parse(header: Buffer) -> RecordHeader:
    """Read bytes 0–1535 of a record (*header* may be longer).

    Raises :class:`BadRecord` unless they are exactly what the label says they are. The payload is not looked at: see
    :func:`verify`.
    """
    raw = bytes(header[:HEADER_BYTES])
    if len(raw) < HEADER_BYTES:
        raise BadRecord("it ends within its header")
    match = _LABEL.match(raw, 512, 1024)
    if match is None:
        if raw[257:265] != b"ustar\x0000":
            raise BadRecord("no archive member begins here")
        version = re.match(rb"[0-9]{1,3} comment=tapechain=([0-9]{1,6}) ", raw[512:600])
        if version is not None and version[1] != b"1":
            raise BadRecord(f"its label has format version {version[1].decode()}; this tcc reads version 1")
        raise BadRecord("its label cannot be read")
    (_, covered, object_id, sequence, size, last, source, first, plan, session, number) = match.groups()[:11]
    started, kind, level, parent, compress, encrypt, digest = match.groups()[11:]
    sequence_number, payload_bytes = int(sequence), int(size)
    if total_bytes(payload_bytes) > kinds.RECORD_BYTES_MAX:
        raise BadRecord(f"it claims {payload_bytes} bytes of payload, more than a record can hold")
    if (first is not None) != (sequence_number == 0):
        raise BadRecord("its label has the wrong words for its sequence number")
    identifier = object_id.decode()
    if not ids.is_id(identifier):
        raise BadRecord("its object's identifier lies beyond the times of an archive member")
    name = _name(source)
    try:
        expected = _headers(_template(identifier, name), covered, sequence_number, payload_bytes, digest)
    except ValueError as error:
        raise BadRecord(str(error)) from None
    if raw != expected:
        raise BadRecord("its headers are not what its label says")
    words = None
    if first is not None:
        text = started.decode()
        if not times.is_time(text) or not ids.is_id(session.decode()) or (parent is None and level != b"full"):
            raise BadRecord("its label's words do not fit each other")
        if parent is not None and not ids.is_id(parent.decode()):
            raise BadRecord("its parent's identifier is none")
        plan_name = plan.decode() if plan.endswith(b"~") else _name(plan)
        words = FirstWords(
            Session(session.decode(), int(number), plan_name, "", text), _KINDS[kind], level.decode(),
            _text(parent), _text(compress), _text(encrypt),
        )  # fmt: skip
    return RecordHeader(
        identifier, sequence_number, payload_bytes, total_bytes(payload_bytes), last is not None, name, words,
        digest.decode(), covered,
    )  # fmt: skip


def likely_totals(head: bytes) -> tuple[int, ...]:
    """How long a record is, as far as its damaged bytes 0–1535 still say: its member's header, then its label."""
    found: dict[int, None] = {}
    member = head[1024:HEADER_BYTES]
    if member[257:265] == b"ustar\x0000" and ustar.looks_like_header(member):
        size = member[124:135]
        if size.isdigit() and not size.strip(b"01234567"):
            found[total_bytes(int(size, 8))] = None
    label = re.search(rb" size=(0|[1-9][0-9]{0,8}) ", head[512:1024])
    if label is not None:
        found[total_bytes(int(label[1]))] = None
    return tuple(total for total in found if total <= kinds.RECORD_BYTES_MAX)


@lru_cache(maxsize=4096)
def _name(encoded: bytes) -> str:
    try:
        return kinds.decode_name(encoded.decode())
    except ValueError:
        raise BadRecord("a name in its label is not encoded as names are") from None


def _text(word: bytes | None) -> str | None:
    return None if word is None else word.decode()


class PayloadCheck:
    """Whether a payload, and the padding behind it, are those of a record, of which :meth:`add` gets all in order."""

    __slots__ = ("_digest", "_header", "_left", "_padded")

    def __init__(self, header: RecordHeader) -> None:
        self._header = header
        self._digest = xxh3_128(header.covered)
        self._left = header.payload_bytes
        self._padded = True

    def add(self, piece: memoryview) -> None:
        """The next bytes of the record behind its headers."""
        payload = min(len(piece), self._left)
        self._digest.update(piece[:payload])
        self._left -= payload
        if payload < len(piece):
            padding = bytes(piece[payload:])
            self._padded &= padding.count(0) == len(padding)

    def finish(self) -> None:
        """Nothing comes any more. Raises BadRecord where it is not the record's."""
        if self._left:
            raise BadRecord("it ends within its payload")
        if self._digest.hexdigest() != self._header.digest:
            raise BadRecord("its digest is wrong")
        if not self._padded:
            raise BadRecord("its padding is not zeros")


def verify(header: RecordHeader, payload: Buffer) -> None:
    """Check the payload's digest, and that its padding (where *payload* holds it) is zeros. Raises BadRecord."""
    check = PayloadCheck(header)
    check.add(memoryview(payload)[: header.total_bytes - HEADER_BYTES])
    check.finish()


def check(record: Buffer) -> RecordHeader:
    """Parse and verify a whole record in memory. Raises :class:`BadRecord`."""
    header = parse(record)
    if len(record) < header.total_bytes:
        raise BadRecord("it is cut off")
    verify(header, memoryview(record)[HEADER_BYTES : header.total_bytes])
    return header
