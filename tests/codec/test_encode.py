"""Compression and encryption at the source: what the real programs make of it, and what happens when parts die."""

import os
import random
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tapechain.runtime.codec import recipients
from tapechain.runtime.codec.ahead import BUFFERS, PIECE_BYTES, Ahead
from tapechain.runtime.faults import SourceFault, UsageFault
from tapechain.runtime.model import Ending
from tapechain.runtime.plan import CompiledPlan, Ring, Source
from tapechain.runtime.preflight import refuse_unrunnable
from tapechain.runtime.sources import open_source
from tapechain.runtime.sources.base import Called, Cancel
from tapechain.runtime.sources.children import Children

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def children():
    made = Children()
    yield made
    made.close()


def read(source: Source, base: Path, children: Children, *, piece: int = 1 << 20) -> tuple[bytes, bytes, Ending]:
    """The encoded bytes, the plain bytes that the tap saw, and how it ended."""
    cancel, seen, parts = Cancel(), bytearray(), []
    opened = open_source(source, base=base, children=children, cancel=cancel, tap=seen.extend)
    view = memoryview(bytearray(piece))
    try:
        while count := opened.read(view):
            parts.append(bytes(view[:count]))
        return b"".join(parts), bytes(seen), opened.finish()
    finally:
        opened.close()
        cancel.close()


def undo(data: bytes, *commands: list[str]) -> bytes:
    for command in commands:
        data = subprocess.run(command, input=data, capture_output=True, check=True).stdout
    return data


def sample(size: int) -> bytes:
    """Half of it compresses, half does not."""
    return b"".join(random.Random(n).randbytes(2048) + b"tape" * 512 for n in range(size // 4096 + 1))[:size]


@pytest.mark.parametrize("size", [0, 1, 65_535, 1 << 20, 5_000_001])
@pytest.mark.parametrize("compress", [None, "zstd", "zstd:1", "zstd:19"])
@pytest.mark.parametrize("encrypt", [False, True])
def test_the_real_programs_undo_it(size, compress, encrypt, tmp_path, children, new_key, require_programs) -> None:
    require_programs("age", "zstd")
    (tmp_path / "data").write_bytes(sample(size))
    key = new_key()
    source = Source("s", "stream", stream="data", compress=compress, encrypt=(key.recipient,) if encrypt else ())
    data, seen, ending = read(source, tmp_path, children)
    assert ending == Ending("whole") and seen == sample(size)
    steps = [["age", "-d", "-i", str(key.path)]] * encrypt + [["zstd", "-d", "-c"]] * bool(compress)
    assert undo(data, *steps) == sample(size)
    if compress and not encrypt and size > 100_000:
        assert len(data) < 0.7 * size


@pytest.mark.parametrize("kind", ["age", "ed25519", "rsa"])
def test_every_kind_of_recipient_reads_it(kind, tmp_path, children, new_key, require_programs) -> None:
    require_programs("age")
    keys = [new_key(), new_key(kind)]
    source = Source("s", "command", command=("echo", "hello"), encrypt=tuple(key.recipient for key in keys))
    data, _, ending = read(source, tmp_path, children)
    assert ending.status == "whole"
    for key in keys:
        assert undo(data, ["age", "-d", "-i", str(key.path)]) == b"hello\n"


def test_tree_comes_back_with_tar_zstd_and_age(tmp_path, children, new_key, require_programs) -> None:
    require_programs("age", "zstd")
    (tmp_path / "tree").mkdir()
    for n in range(300):
        (tmp_path / "tree" / f"f{n}").write_bytes(sample(n * 37))
    key = new_key()
    source = Source("s", "files", files=("tree",), compress="zstd", encrypt=(key.recipient,))
    data, seen, ending = read(source, tmp_path, children, piece=997)
    assert ending == Ending("whole")
    archive = undo(data, ["age", "-d", "-i", str(key.path)], ["zstd", "-d", "-c"])
    assert archive == seen
    (tmp_path / "out").mkdir()
    undo(archive, ["tar", "-x", "-f", "-", "-C", str(tmp_path / "out")])
    back = tmp_path / "out" / str(tmp_path / "tree").lstrip("/")
    assert {p.name: p.read_bytes() for p in back.iterdir()} == {f"f{n}": sample(n * 37) for n in range(300)}


def test_a_command_that_fails_fails_behind_compression_and_encryption(tmp_path, children, new_key) -> None:
    source = Source("s", "command", command=("sh", "-c", "echo data; echo no luck >&2; exit 3"), compress="zstd")
    for encrypt in ((), (new_key().recipient,)):
        made = Source(source.name, "command", command=source.command, compress="zstd", encrypt=encrypt)
        _, _, ending = read(made, tmp_path, children)
        assert ending.status == "failed" and "exit status 3: no luck" in (ending.error or "")


def test_files_that_cannot_be_read_are_still_counted(tmp_path, children) -> None:
    (tmp_path / "there").write_text("x")
    source = Source("s", "files", files=("there", "missing"), compress="zstd")
    _, _, ending = read(source, tmp_path, children)
    assert ending.status == "whole" and ending.unread == 1 and "missing" in ending.warnings[0]


@pytest.mark.parametrize("when", ["at once", "in the middle"])
def test_what_encrypts_dies_and_the_object_is_failed(when, tmp_path, children, new_key) -> None:
    """Killed from outside (the kernel, short of memory): the end of its output is no end of the object."""
    cancel = Cancel()
    source = Source("s", "command", command=("cat", "/dev/zero"), encrypt=(new_key().recipient,))
    opened = open_source(source, base=tmp_path, children=children, cancel=cancel)
    try:
        view = memoryview(bytearray(1 << 16))
        if when == "in the middle":
            assert opened.read(view)
        os.kill(opened._child._process.pid, signal.SIGKILL)
        while opened.read(view):
            pass
        ending = opened.finish()
        assert ending.status == "failed" and "encrypts ended with SIGKILL" in (ending.error or "")
    finally:
        opened.close()
        cancel.close()


def test_called_off_while_nothing_comes(tmp_path, children, new_key) -> None:
    cancel = Cancel()
    source = Source("s", "command", command=("sleep", "1000"), compress="zstd", encrypt=(new_key().recipient,))
    opened = open_source(source, base=tmp_path, children=children, cancel=cancel)
    try:
        cancel.set("enough")
        with pytest.raises(Called):
            # The header of an age file comes before any data: it may be read first.
            while opened.read(memoryview(bytearray(1 << 16))):
                pass
    finally:
        opened.close()
        cancel.close()


def test_a_source_that_cannot_be_read_is_said_behind_the_thread_that_reads_ahead(tmp_path, children) -> None:
    source = Source("s", "stream", stream="/proc/self/mem", compress="zstd")
    with pytest.raises(SourceFault, match="/proc/self/mem cannot be read at byte 0: Input/output error"):
        read(source, tmp_path, children)


def test_what_is_read_ahead_is_bounded_and_waits() -> None:
    """An endless source: once all buffers are taken nothing more is read until one comes back."""
    fd = os.open("/dev/zero", os.O_RDONLY)
    ahead = Ahead(fd, "s")
    poll = select.poll()
    poll.register(ahead.fileno(), select.POLLIN)
    try:
        pieces = []
        for _ in range(BUFFERS):
            assert poll.poll(30_000)
            pieces.append(ahead.take())
        assert {len(piece) for piece in pieces} == {PIECE_BYTES} and not poll.poll(0)
        ahead.give(pieces.pop())
        assert poll.poll(30_000)
    finally:
        ahead.close()
        ahead.close()
        os.close(fd)


def test_no_python_no_encryption(tmp_path, children, new_key, monkeypatch) -> None:
    source = Source("s", "command", command=("true",), encrypt=(new_key().recipient,))
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(SourceFault, match="what encrypts cannot be started"):
        open_source(source, base=tmp_path, children=children, cancel=Cancel())


def plan_of(source: Source) -> CompiledPlan:
    return CompiledPlan(1, "p", "f", ".", 1 << 20, 2 << 20, (source,), (Ring(0, 2, source.name, ()),), (), ())


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"encrypt": ("age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8q",)}, "age1ql3z7hjy5"),
        ({"encrypt": ("ssh-ed25519 AAAAC3Nza bob",)}, "ssh-ed25519 AAAAC3Nza bob is no age recipient"),
        ({"compress": "zstd:23"}, "'zstd:23' is neither"),
        ({"compress": "gzip"}, "'gzip' is neither"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_opened(attributes, words) -> None:
    with pytest.raises(UsageFault, match="cannot be run") as refused:
        refuse_unrunnable(plan_of(Source("s", "stream", stream="x", **attributes)))
    assert words in refused.value.message and refused.value.safe == "nothing was opened, read or written"


def test_a_secret_key_in_a_plan_is_never_repeated() -> None:
    secret = "AGE-SECRET-KEY-1" + "Q" * 58
    with pytest.raises(UsageFault) as refused:
        refuse_unrunnable(plan_of(Source("s", "stream", stream="x", encrypt=(secret,))))
    assert "QQQ" not in str(refused.value) + refused.value.todo
    assert recipients.shortened(secret) == "a recipient"
