"""What GNU tar says, sorted: the table of tar.md, each line as tar writes it."""

import pytest
from tapechain.runtime.sources.tar_messages import WARNINGS_MAX, TarMessages, readable

CHANGES = [
    "tar: home/a: file changed as we read it",
    "tar: home/a: File shrank by 4096 bytes; padding with zeros",
    "tar: home/a: File removed before we read it",
    "tar: home/a b: Warning: Cannot flistxattr: Permission denied",
]
UNREAD = [
    "tar: home/a: Cannot open: Permission denied",
    "tar: home/a: Cannot stat: No such file or directory",
    "tar: home/a: Cannot readlink: Permission denied",
    "tar: home/a: Cannot savedir: Input/output error",
    "tar: home/a: Read error at byte 0, while reading 512 bytes: Input/output error",
    "tar: home/a\\nb: Cannot open: Permission denied",
]
NOISE = [
    "tar: run/s: socket ignored",
    "tar: home/a: implausibly old time stamp 1969-12-31 23:00:00",
    "tar: proc/: file is on a different filesystem; not dumped",
    "tar: Removing leading `/' from member names",
    "tar: home/a b: Warning: Cannot flistxattr: Operation not supported",
]
LAST = "tar: Exiting with failure status due to previous errors"


def after(*lines: str, status: int):
    messages = TarMessages()
    messages.feed("".join(f"{line}\n" for line in lines).encode())
    messages.feed(b"")
    return messages.ending(status)


@pytest.mark.parametrize("line", CHANGES)
def test_a_tree_that_lives_is_whole_with_a_warning(line: str) -> None:
    ending = after(line, status=1)
    assert (ending.status, ending.unread) == ("whole", 0) and ending.warnings == (line.removeprefix("tar: "),)


@pytest.mark.parametrize("line", UNREAD)
def test_an_unread_file_is_counted_and_the_object_is_whole(line: str) -> None:
    ending = after(line, CHANGES[0], LAST, status=2)
    assert (ending.status, ending.unread, len(ending.warnings)) == ("whole", 1, 2)


def test_files_that_are_said_to_have_shrunk_are_known_by_their_names() -> None:
    """Whatever is in them: they are looked at again (``files.py``)."""
    names = [b"home/a", b"home/a\\nb", b"home/b\\\\n", b"home/\\303\\251\\377", b"a: File shrank by 1 bytes", b"a\\:b"]
    messages = TarMessages()
    for name in names:
        messages.feed(b"tar: " + name + b": File shrank by 4096 bytes; padding with zeros\n")
    plain = [b"home/a", b"home/a\nb", b"home/b\\n", b"home/\xc3\xa9\xff", names[4], b"a:b"]
    assert messages.shrunk == [(name, 4096) for name in plain]


@pytest.mark.parametrize("line", NOISE)
def test_noise_is_dropped(line: str) -> None:
    assert after(line, status=0).warnings == ()


@pytest.mark.parametrize(
    "line",
    [
        "tar: -: Cannot write: Broken pipe",
        "tar: -: Wrote only 4096 of 262144 bytes",
        "tar: memory exhausted",
        "tar: Error is not recoverable: exiting now",
        "tar: something that no version has said before",
    ],
)
def test_anything_else_with_exit_2_is_a_failure(line: str) -> None:
    ending = after(UNREAD[0], line, LAST, status=2)
    assert ending.status == "failed" and line.removeprefix("tar: ") in (ending.error or "")


def test_exit_2_without_a_word_is_a_failure() -> None:
    assert after(status=2).status == after(LAST, status=2).status == "failed"


def test_a_killed_tar_is_a_failure_that_names_the_signal() -> None:
    assert "SIGKILL" in (after(status=-9).error or "")


def test_lines_may_come_in_any_pieces() -> None:
    text = "".join(f"{line}\n" for line in CHANGES + UNREAD).encode()
    messages = TarMessages()
    for i in range(len(text)):
        messages.feed(text[i : i + 1])
    messages.feed(b"")
    assert messages.unread == len(UNREAD) and len(messages.warnings) == len(CHANGES) + len(UNREAD)


def test_a_last_line_without_an_end_counts() -> None:
    messages = TarMessages()
    messages.feed(b"tar: a: Cannot open: Permission denied")
    messages.feed(b"")
    assert messages.unread == 1


def test_memory_is_bounded() -> None:
    messages = TarMessages()
    for n in range(WARNINGS_MAX + 50):
        messages.feed(f"tar: {n}: Cannot open: Permission denied\n".encode())
    messages.feed(b"x" * 10_000_000)
    messages.feed(b"\n")
    ending = messages.ending(2)
    assert len(ending.warnings) == WARNINGS_MAX + 1 and ending.unread == WARNINGS_MAX + 50
    assert ending.warnings[-1] == "and 51 more files" and sum(map(len, ending.warnings)) < 50_000


def test_names_become_readable_where_they_are_text() -> None:
    assert readable(b"tar: caf\\303\\251/a\\nb\\\\c: x") == "tar: café/a\\nb\\\\c: x"
    assert readable(b"tar: \\351t\\351: x") == "tar: \\351t\\351: x"
