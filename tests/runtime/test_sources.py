"""Sources as they are: GNU tar over odd trees, streams, FIFOs, commands, children that misbehave."""

import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tapechain.runtime.faults import SourceFault
from tapechain.runtime.model import Ending
from tapechain.runtime.plan import Source
from tapechain.runtime.sources import files, open_source
from tapechain.runtime.sources.base import Called, Cancel
from tapechain.runtime.sources.children import make_stream

pytestmark = pytest.mark.timeout(60)


def read(source: Source, base: Path, children) -> tuple[bytes, Ending]:
    """All bytes of a source and how it ended."""
    cancel = Cancel()
    try:
        opened = open_source(source, base=base, children=children, cancel=cancel)
    except BaseException:
        cancel.close()
        raise
    try:
        parts, room = [], memoryview(bytearray(1 << 20))
        while count := opened.read(room):
            parts.append(bytes(room[:count]))
        return b"".join(parts), opened.finish()
    finally:
        opened.close()
        cancel.close()


def unpack(archive: bytes, into: Path) -> Path:
    into.mkdir()
    command = ["tar", "-x", "-p", "--xattrs", "--xattrs-include=*", "--acls", "-f", "-", "-C", str(into)]
    subprocess.run(command, input=archive, check=True)
    return into


ODD = [
    b"-dash",
    b"new\nline",
    b"back\\slash",
    b"back\\nslash-n",
    b"*",
    b" blank ",
    b"caf\xc3\xa9",
    b"latin\xe9\xff",
    b"--help",
]


def test_tree_with_odd_names_links_holes_and_modes(tmp_path: Path, children) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    for name in ODD:
        with open(os.path.join(os.fsencode(tree), name), "wb") as out:
            out.write(name)
    deep = tree / ("d" * 200) / ("e" * 200)
    deep.mkdir(parents=True)
    (deep / "file").write_text("deep")
    os.link(tree / "-dash", tree / "hard")
    (tree / "soft").symlink_to("nowhere")
    with open(tree / "sparse", "wb") as out:
        out.truncate(50_000_000)
        out.seek(20_000_000)
        out.write(b"island")
    (tree / "private").touch(mode=0o600)
    os.mkfifo(tree / "fifo")
    os.utime(tree / "private", ns=(1_234_567_890_123_456_789, 1_234_567_890_123_456_789))
    archive, ending = read(Source("t", "files", files=("tree",)), tmp_path, children)
    assert ending == Ending("whole") and len(archive) < 5_000_000
    back = unpack(archive, tmp_path / "back") / str(tree)[1:]
    assert sorted(os.listdir(os.fsencode(back))) == sorted(os.listdir(os.fsencode(tree)))
    for name in ODD:
        with open(os.path.join(os.fsencode(back), name), "rb") as file:
            assert file.read() == name
    assert (back / "-dash").stat().st_ino == (back / "hard").stat().st_ino
    assert os.readlink(back / "soft") == "nowhere"
    assert (back / "sparse").stat().st_blocks * 512 < 1_000_000 and (back / "sparse").stat().st_size == 50_000_000
    assert (back / "private").stat().st_mode & 0o777 == 0o600
    assert (back / "private").stat().st_mtime_ns == 1_234_567_890_123_456_789
    assert (back / ("d" * 200) / ("e" * 200) / "file").read_text() == "deep"


def test_extended_attributes_and_acls_survive(tmp_path: Path, children) -> None:
    (tmp_path / "tree").mkdir()
    file = tmp_path / "tree" / "file"
    file.write_text("x")
    try:
        os.setxattr(file, "user.colour", b"blue\x00\xff")
    except OSError as error:
        pytest.skip(f"no extended attributes here: {error}")
    acls = shutil.which("setfacl") and subprocess.run(["setfacl", "-m", "u:12345:rw", file]).returncode == 0
    archive, ending = read(Source("t", "files", files=("tree",)), tmp_path, children)
    assert ending.status == "whole"
    back = unpack(archive, tmp_path / "back") / str(file)[1:]
    assert os.getxattr(back, "user.colour") == b"blue\x00\xff"
    if acls:
        listed = subprocess.run(["getfacl", "-n", back], capture_output=True, text=True).stdout
        assert "user:12345:rw-" in listed


def test_a_security_label_is_stored_where_the_kernel_has_no_selinux(tmp_path: Path, children) -> None:
    """tar is not asked for labels then: what a file of another system bears is one of its extended attributes."""
    if files._SELINUX.exists():
        pytest.skip("this kernel has SELinux: tar is asked for labels")
    file = tmp_path / "file"
    file.write_text("x")
    label = b"system_u:object_r:etc_t:s0\0"
    try:
        os.setxattr(file, "security.selinux", label)
    except OSError as error:
        pytest.skip(f"no security labels here: {error}")
    archive, ending = read(Source("t", "files", files=("file",)), tmp_path, children)
    assert ending == Ending("whole")
    back = unpack(archive, tmp_path / "back") / str(file)[1:]
    assert os.getxattr(back, "security.selinux") == label


def test_a_stream_gives_what_there_is_and_waits_for_all_only_a_moment() -> None:
    """The writer is slow: what it wrote comes, and nothing is taken for the end."""
    reading, writing = make_stream()
    try:
        room = memoryview(bytearray(1 << 20))
        os.write(writing, b"first")
        assert os.readv(reading, [room]) == 5
        with pytest.raises(BlockingIOError):
            os.readv(reading, [room])
        os.write(writing, b"second")
        os.close(writing)
        writing = -1
        assert os.readv(reading, [room]) == 6 and bytes(room[:6]) == b"second"
        assert os.readv(reading, [room]) == 0
    finally:
        os.close(reading)
        if writing >= 0:
            os.close(writing)


def test_a_tar_that_hangs_can_be_called_off(tmp_path: Path, monkeypatch, children) -> None:
    (tmp_path / "tar").write_text("#!/bin/sh\necho begun\nexec sleep 1000\n")
    (tmp_path / "tar").chmod(0o755)
    monkeypatch.setattr(files, "_features", (str(tmp_path / "tar"), ()))
    cancel = Cancel()
    opened = open_source(Source("t", "files", files=(".",)), base=tmp_path, children=children, cancel=cancel)
    try:
        room = memoryview(bytearray(1 << 20))
        assert opened.read(room) == 6 and bytes(room[:6]) == b"begun\n"
        threading.Timer(0.1, cancel.set, ["enough"]).start()
        with pytest.raises(Called):
            opened.read(room)
    finally:
        opened.close()
        cancel.close()


def test_names_that_begin_with_a_dash_and_many_names(tmp_path: Path, children) -> None:
    (tmp_path / "--checkpoint=1").write_text("first")
    many = tmp_path / "many"
    many.mkdir()
    names = ["--checkpoint=1"]
    for n in range(3000):
        name = f"many/{n:04} {'x' * 40}\n-"
        (tmp_path / name).write_text(str(n))
        names.append(name)
    archive, ending = read(Source("t", "files", files=tuple(names)), tmp_path, children)
    assert ending == Ending("whole")
    back = unpack(archive, tmp_path / "back") / str(tmp_path)[1:]
    assert (back / "--checkpoint=1").read_text() == "first"
    assert len(os.listdir(back / "many")) == 3000


def test_missing_root_beside_a_present_one_is_unread(tmp_path: Path, children) -> None:
    (tmp_path / "here").write_text("x")
    _, ending = read(Source("t", "files", files=("here", "gone")), tmp_path, children)
    assert (ending.status, ending.unread) == ("whole", 1) and "gone" in ending.warnings[0]


def test_source_of_which_nothing_exists_is_a_fault(tmp_path: Path, children) -> None:
    with pytest.raises(SourceFault, match=r"gone.*and 1 more.*No such file"):
        read(Source("t", "files", files=("gone", "also")), tmp_path, children)


def test_file_that_shrinks_while_it_is_read_is_a_warning(tmp_path: Path, children) -> None:
    """tar has read the size of the file, and waits for room in the pipe, when the file is cut."""
    (tmp_path / "a").write_bytes(os.urandom(30_000_000))
    cancel = Cancel()
    opened = open_source(Source("t", "files", files=("a",)), base=tmp_path, children=children, cancel=cancel)
    room = memoryview(bytearray(1 << 20))
    opened.read(room[:4096])
    os.truncate(tmp_path / "a", 5_000_000)
    while opened.read(room):
        pass
    ending = opened.finish()
    opened.close()
    cancel.close()
    assert (ending.status, ending.unread) == ("whole", 0)
    assert any("shrank" in warning or "changed" in warning for warning in ending.warnings)


@pytest.mark.parametrize(
    ("script", "message"),
    [("echo 'bsdtar 3.7.4 - libarchive'", "bsdtar 3.7.4"), ("exit 1", "something unknown")],
)
def test_tar_that_is_not_gnu_is_a_clear_fault(tmp_path: Path, monkeypatch, children, script: str, message: str) -> None:
    for name in ("tar", "gtar"):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(files, "_features", None)
    with pytest.raises(SourceFault, match=message) as fault:
        read(Source("t", "files", files=(".",)), tmp_path, children)
    assert "GNU tar" in fault.value.todo


def test_features_that_this_tar_lacks_are_left_out(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "tar").write_text(
        "#!/bin/sh\ncase \"$*\" in *--version*) echo 'tar (GNU tar) 1.35';;"
        " *) echo 'tar: POSIX ACL support is not available' >&2;; esac\n"
    )
    (tmp_path / "tar").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(files, "_features", None)
    assert files.features() == ("tar", ("--xattrs", "--selinux"))


def test_options_from_the_environment_do_not_reach_tar(tmp_path: Path, monkeypatch, children) -> None:
    monkeypatch.setenv("TAR_OPTIONS", "--exclude=*")
    (tmp_path / "file").write_text("x")
    archive, _ = read(Source("t", "files", files=("file",)), tmp_path, children)
    assert b"file" in archive


def test_stream_of_a_fifo_waits_for_its_writer(tmp_path: Path, runner, plan_of) -> None:
    os.mkfifo(tmp_path / "fifo")
    content = os.urandom(300_000)

    def write() -> None:
        with open(tmp_path / "fifo", "wb") as out:
            out.write(content)

    thread = threading.Thread(target=write)
    thread.start()
    report = runner.run(plan_of([Source("f", "stream", stream="fifo")], {"R1": ["f"]}))
    thread.join()
    assert report.status == "ok" and runner.drives["R1"].payload("f") == content


def test_fifo_that_nobody_writes_can_be_stopped(tmp_path: Path, runner, plan_of) -> None:
    os.mkfifo(tmp_path / "fifo")

    class StopsIt:
        interval_seconds = 0.02

        def __getattr__(self, name):
            return lambda *_: None

        def sample(self, snapshot) -> None:
            if snapshot.sources[0].state == "reading":
                runner.stop.request(15)

    runner.observer = StopsIt()
    report = runner.run(plan_of([Source("f", "stream", stream="fifo")], {"R1": ["f"]}))
    assert [o.status for o in report.objects] == ["cut-off"]


def test_stream_of_a_folder_or_socket_is_a_clear_fault(tmp_path: Path, children) -> None:
    import socket

    with pytest.raises(SourceFault, match="folder"):
        read(Source("f", "stream", stream="."), tmp_path, children)
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(tmp_path / "s"))
        with pytest.raises(SourceFault, match="socket"):
            read(Source("f", "stream", stream="s"), tmp_path, children)


def test_commands_run_in_the_plans_folder_without_a_shell(tmp_path: Path, children) -> None:
    got, ending = read(Source("c", "command", command=("pwd",)), tmp_path, children)
    assert got.decode() == f"{tmp_path}\n" and ending == Ending("whole")
    got, _ = read(Source("c", "command", command=("printf", "%s", "$HOME `id` *")), tmp_path, children)
    assert got == b"$HOME `id` *"


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo first >&2; echo reason >&2; exit 3", ["exit status 3", "reason"]),
        ("kill -SEGV $$", ["SIGSEGV"]),
        ("head -c 100000 /dev/zero | tr '\\0' x >&2; echo the end >&2; exit 1", ["the end"]),
    ],
)
def test_command_that_fails_says_how_and_the_end_of_its_messages(tmp_path: Path, children, script: str, words) -> None:
    _, ending = read(Source("c", "command", command=("sh", "-c", script)), tmp_path, children)
    assert ending.status == "failed" and len(ending.error or "") < 5000
    assert all(word in (ending.error or "") for word in words)


def test_command_that_does_not_exist_is_a_fault(tmp_path: Path, children) -> None:
    with pytest.raises(SourceFault, match=r"no-such-program.*No such file"):
        read(Source("c", "command", command=("no-such-program",)), tmp_path, children)
    (tmp_path / "plain").write_text("not executable")
    with pytest.raises(SourceFault, match="Permission denied"):
        read(Source("c", "command", command=("./plain",)), tmp_path, children)


def test_child_that_floods_its_messages_is_never_blocked(tmp_path: Path, children) -> None:
    script = "head -c 20000000 /dev/zero >&2; echo done"
    got, ending = read(Source("c", "command", command=("sh", "-c", script)), tmp_path, children)
    assert got == b"done\n" and ending.status == "whole"


def group_members(leader: int) -> list[int]:
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == leader:
            found.append(int(pid))
    return found


def test_processes_that_a_command_leaves_behind_are_killed(tmp_path: Path, children) -> None:
    script = "sleep 1000 >/dev/null & echo $$"
    got, ending = read(Source("c", "command", command=("sh", "-c", script)), tmp_path, children)
    assert ending.status == "whole"
    wait_until_gone(int(got))


def wait_until_gone(leader: int) -> None:
    """A killed process needs a moment to die."""
    deadline = time.monotonic() + 10
    while any(is_running(pid) for pid in group_members(leader)):
        assert time.monotonic() < deadline, "a child was left behind"
        os.sched_yield()


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_child_is_killed_with_its_group_when_it_is_closed_early(tmp_path: Path, children) -> None:
    cancel = Cancel()
    source = Source("c", "command", command=("sh", "-c", "sleep 1000 & echo $$; wait"))
    opened = open_source(source, base=tmp_path, children=children, cancel=cancel)
    leader = int(os.read(opened.fd, 100))
    opened.close()
    opened.close()
    cancel.close()
    wait_until_gone(leader)


def test_waiting_for_a_child_that_lingers_can_be_called_off(tmp_path: Path, children) -> None:
    cancel = Cancel()
    source = Source("c", "command", command=("sh", "-c", "exec >&-; sleep 1000"))
    opened = open_source(source, base=tmp_path, children=children, cancel=cancel)
    assert os.read(opened.fd, 100) == b""
    cancel.set("enough")
    with pytest.raises(Called):
        opened.finish()
    opened.close()
    cancel.close()


def test_command_dies_with_a_run_that_is_killed(tmp_path: Path) -> None:
    """A process that reads a source is killed; the command, which never writes again, must not live on."""
    from tapechain.runtime.sources import command

    if not command._guard():
        pytest.skip("util-linux's setpriv is not here: nothing can tie a command to the run that started it")
    script = """
import os, sys
from pathlib import Path
from tapechain.runtime.plan import Source
from tapechain.runtime.sources import open_source
from tapechain.runtime.sources.base import Cancel
from tapechain.runtime.sources.children import Children
source = Source("c", "command", command=("sh", "-c", "echo $$; while :; do sleep 1; done"))
opened = open_source(source, base=Path("."), children=Children(), cancel=Cancel())
sys.stdout.write(os.read(opened.fd, 100).decode())
sys.stdout.flush()
os.kill(os.getpid(), 9)
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30)
    assert run.returncode == -9, run.stderr
    leader = int(run.stdout)
    deadline = time.monotonic() + 10
    while is_running(leader):
        assert time.monotonic() < deadline, "the command outlives the run"
        os.sched_yield()
