"""What a run is started into, and what becomes of it: signals, terminals, umasks, locales, limits, full disks."""

import fcntl
import os
import pty
import resource
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PLAN = """
plan small { record = 64KiB  depth = 4 }
source tree { files = "tree" }
source slow { command = ["sh", "-c", "head -c 200000 /dev/zero; echo > began; read x < gate; seq 1 20000"] }
drive R1 { volumes = "media/R1" }
drive R2 { volumes = "media/R2" }
backup group b { agent a -> R1 { B1 <- tree  B2 <- slow } }
mirror group m of b { agent c -> R2 { * <- a } }
"""
QUICK = PLAN.replace("echo > began; read x < gate; ", "")
DEADLINE = 60
F_SETPIPE_SZ = 1031

pytestmark = pytest.mark.timeout(2 * DEADLINE)


@pytest.fixture(autouse=True)
def _no_signal_is_ignored() -> Iterator[None]:
    """A shell without job control starts what goes on in the background with SIGQUIT ignored; that is inherited."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGHUP, signal.SIGQUIT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def waiting(bench: Any) -> Iterator[Any]:
    """A plan whose source says that it is being read, through the FIFO ``began``, and waits for the FIFO ``gate``."""
    (bench.folder / "tree").mkdir()
    (bench.folder / "tree" / "file").write_text("content\n" * 100)
    for name in ("began", "gate"):
        os.mkfifo(bench.folder / name)
    bench.write(PLAN)
    gate = os.open(bench.folder / "gate", os.O_RDWR)
    yield bench
    os.close(gate)


@pytest.fixture
def quick(waiting: Any) -> Any:
    waiting.write(QUICK)
    return waiting


def start(bench: Any, *words: str, **how: Any) -> subprocess.Popen[bytes]:
    """A run that is in the midst of its source."""
    arguments = ["tcc", "run", "plan.tc", "--report", "report.json", *words]
    run = subprocess.Popen(arguments, cwd=bench.folder, env=bench.environment, stdin=subprocess.DEVNULL, **how)
    (bench.folder / "began").read_bytes()
    return run


def go_on(bench: Any) -> None:
    """Let the source end."""
    (bench.folder / "gate").write_text("\n")  # the fixture holds it open: nobody waits here


def states(bench: Any) -> dict[str, tuple[str, frozenset[str]]]:
    return {o["source"]: (o["status"], frozenset(c["status"] for c in o["copies"])) for o in bench.report()["objects"]}


def _cut_off(bench: Any) -> None:
    """The report of a run that was stopped: what waited is cut off, what was read before is stored if it was whole."""
    found = states(bench)
    assert found["slow"] == ("cut-off", {"cut-off"})
    assert found["tree"] in (("whole", {"stored"}), ("cut-off", {"cut-off"}))


def comes_back(bench: Any, source: str = "tree") -> None:
    """The next run is well without help, and what it stored comes back."""
    bench.write(QUICK)
    bench.ok("run", "plan.tc")
    bench.ok("verify", "--plan", "plan.tc")
    bench.ok("restore", source, "--plan", "plan.tc", "--to", "back")


# ---------------------------------------------------------------- signals


@pytest.mark.parametrize("name", ["SIGHUP", "SIGQUIT", "SIGXCPU"])
def test_whatever_asks_to_end_ends_the_run_in_order(waiting: Any, name: str) -> None:
    number = getattr(signal, name)
    run = start(waiting, stderr=subprocess.PIPE)
    run.send_signal(number)
    _, said = run.communicate(timeout=DEADLINE)
    assert run.returncode == 128 + number, said
    _cut_off(waiting)
    assert f"stopped by {name}".encode() in said
    comes_back(waiting)


@pytest.mark.parametrize("name", ["SIGUSR1", "SIGUSR2", "SIGPIPE", "SIGWINCH", "SIGXFSZ", "SIGTSTP"])
def test_signals_that_ask_for_nothing_cost_nothing(waiting: Any, name: str) -> None:
    run = start(waiting)
    run.send_signal(getattr(signal, name))
    if name == "SIGTSTP":
        run.send_signal(signal.SIGCONT)
    go_on(waiting)
    assert run.wait(DEADLINE) == 0
    assert set(states(waiting).values()) == {("whole", frozenset({"stored"}))}


def test_a_run_that_was_stopped_longer_than_drives_may_hang_goes_on(waiting: Any) -> None:
    memory = tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)  # where no fsync lasts
    waiting.write(PLAN.replace("media/", f"{memory}/"))
    try:
        run = start(waiting, "--hang-after", "2s")
        run.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, run.pid, os.WSTOPPED | os.WNOWAIT)
        subprocess.run(["sleep", "2.5"], check=True)  # nothing but time can show it
        run.send_signal(signal.SIGCONT)
        go_on(waiting)
        assert run.wait(DEADLINE) == 0
    finally:
        shutil.rmtree(memory)
    assert set(states(waiting).values()) == {("whole", frozenset({"stored"}))}


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("verify --plan plan.tc", "SIGTERM"),
        ("catalog rebuild media --plan plan.tc", "SIGQUIT"),
        ("restore tree --plan plan.tc --to out", "SIGHUP"),
    ],
)
def test_other_commands_end_by_a_signal_with_its_code(quick: Any, command: str, name: str) -> None:
    """The command is held where it opens its plan: a FIFO that is written only behind the signal."""
    quick.ok("run", "plan.tc")
    (quick.folder / "plan.tc").unlink()
    os.mkfifo(quick.folder / "plan.tc")
    process = subprocess.Popen(
        ["tcc", *command.split()], cwd=quick.folder, env=quick.environment, stderr=subprocess.PIPE
    )
    with (quick.folder / "plan.tc").open("w"):  # it is there, and reads
        process.send_signal(getattr(signal, name))
        _, said = process.communicate(timeout=DEADLINE)
    assert process.returncode == 128 + getattr(signal, name), said
    assert b"internal error" not in said


# ---------------------------------------------------------------- terminals and pipes


@pytest.fixture
def full_pipe() -> Iterator[int]:
    """The write end of a pipe that holds all that it can, and that nobody reads."""
    read_end, write_end = os.pipe()
    fcntl.fcntl(read_end, F_SETPIPE_SZ, 4096)
    os.set_blocking(write_end, False)
    try:
        while True:
            os.write(write_end, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(write_end, True)
    yield write_end
    os.close(read_end)
    os.close(write_end)


@pytest.mark.parametrize("progress", ["plain", "json"])
def test_a_standard_error_that_nobody_reads_does_not_hold_the_run(waiting: Any, full_pipe: int, progress: str) -> None:
    run = start(waiting, "--progress", progress, stderr=full_pipe)
    go_on(waiting)
    assert run.wait(DEADLINE) == 0
    assert set(states(waiting).values()) == {("whole", frozenset({"stored"}))}


def test_signals_end_a_run_whose_standard_error_nobody_reads(waiting: Any, full_pipe: int) -> None:
    run = start(waiting, "--progress", "json", stderr=full_pipe)
    run.send_signal(signal.SIGTERM)
    assert run.wait(DEADLINE) == 143
    _cut_off(waiting)


@pytest.mark.parametrize("progress", ["rich", "plain", "json"])
def test_a_terminal_that_goes_away_ends_the_run_in_order(waiting: Any, progress: str) -> None:
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(waiting.folder)
        environment = {k: v for k, v in waiting.environment.items() if k != "CI"} | {"TERM": "xterm"}
        os.execvpe("tcc", ["tcc", "run", "plan.tc", "--report", "report.json", "--progress", progress], environment)
    (waiting.folder / "began").read_bytes()
    os.close(terminal)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 128 + signal.SIGHUP
    _cut_off(waiting)


# ---------------------------------------------------------------- umask, locale, environment, folders


@pytest.mark.parametrize("umask", ["0777", "0000"])
def test_no_umask_locks_the_owner_out_or_others_in(quick: Any, umask: str) -> None:
    for number in ("1", "2"):
        line = f"umask {umask}; tcc run plan.tc && tcc restore tree --plan plan.tc --to back{number}"
        done = subprocess.run(
            ["bash", "-c", line], cwd=quick.folder, env=quick.environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert "write-protected" not in done.stderr
    made = [
        path
        for name in ("media", "state", "back1")
        for path in [quick.folder / name, *(quick.folder / name).rglob("*")]
    ]
    for path in made:
        mode = stat.S_IMODE(path.lstat().st_mode)
        assert mode & 0o600 == 0o600, (path, oct(mode))
    for path in quick.folder.glob("media/*/*.tar"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "words",
    [
        "LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0",
        "LC_ALL=tr_TR.UTF-8 PYTHONOPTIMIZE=2",
        "LC_ALL=no_such.LOCALE PYTHONWARNINGS=error",
        "PYTHONIOENCODING=ascii:strict TMPDIR=/no/such/folder HOME=/no/such",
    ],
)
def test_no_locale_and_no_variable_changes_what_is_stored(bench: Any, words: str) -> None:
    tree = bench.folder / "täglich"
    tree.mkdir()
    (tree / "größe").write_text("ß")
    (bench.folder / "tree-\udcff").write_text("no UTF-8")
    bench.write(
        'source "tüte" { files = ["täglich"] }\ndrive R1 { volumes = "media/R1" }\n'
        'backup group b { agent a -> R1 { B1 <- "tüte" } }\n'
    )
    environment = dict(bench.environment) | dict(word.split("=") for word in words.split())

    def tcc(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run(
            ["tcc", *arguments], cwd=bench.folder, env=environment, capture_output=True, timeout=DEADLINE
        )
        assert b"internal error" not in done.stderr and b"Traceback" not in done.stderr, done.stderr
        return done

    assert tcc("run", "plan.tc", "--report", "report.json").returncode == 0
    assert '"tüte"'.encode() in tcc("objects", "--json", "--plan", "plan.tc").stdout
    shown = "t\\xfcte" if "ascii" in words else "tüte"  # a user's word about the standard streams stands
    assert shown in tcc("objects", "--plan", "plan.tc").stdout.decode()
    assert tcc("restore", "tüte", "--plan", "plan.tc", "--to", "zurück").returncode == 0
    assert (bench.folder / "zurück" / str(tree).lstrip("/") / "größe").read_text() == "ß"


def test_a_folder_that_is_gone_is_said(quick: Any) -> None:
    quick.ok("run", "plan.tc")
    plan = quick.folder / "plan.tc"
    for command in (
        f"run {plan}",
        f"objects --plan {plan}",
        f"restore tree --plan {plan} --to {quick.folder}/b",
        f"check {plan}",
    ):
        line = f"mkdir gone && cd gone && rmdir ../gone && exec tcc {command}"
        done = subprocess.run(
            ["bash", "-c", line], cwd=quick.folder, env=quick.environment, capture_output=True, text=True
        )
        assert done.returncode == 2
        assert "the current folder is not there any more" in done.stderr and "internal" not in done.stderr


def _limit(size: int) -> Any:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_the_largest_size_of_a_file_is_a_fault_of_what_is_written(quick: Any) -> None:
    (quick.folder / "tree" / "large").write_bytes(bytes(400_000))
    quick.ok("run", "plan.tc")
    how: dict[str, Any] = {"cwd": quick.folder, "env": quick.environment, "capture_output": True, "text": True}
    run = subprocess.run(["tcc", "run", "plan.tc", "--report", "report.json"], preexec_fn=_limit(900_000), **how)
    assert run.returncode in (1, 3) and "internal" not in run.stderr
    assert "stored" not in {s for _, copies in states(quick).values() for s in copies} or run.returncode == 3
    restore = ["tcc", "restore", "tree", "--plan", "plan.tc", "--to", "back"]
    done = subprocess.run(restore, preexec_fn=_limit(200_000), **how)
    assert done.returncode == 3
    assert "large" in done.stderr and ("File too large" in done.stderr or "Wrote only" in done.stderr)
    small = quick.folder / "back" / str(quick.folder / "tree").lstrip("/") / "file"
    assert small.read_text() == "content\n" * 100
    quick.ok("run", "plan.tc")
    quick.ok("verify", "--plan", "plan.tc")


# ---------------------------------------------------------------- the catalog's disk


@pytest.fixture
def small_disk(quick: Any) -> Iterator[Path]:
    """The state folder on a file system of 300 KiB of its own."""
    place = quick.folder / "state"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root may mount the small file system that this needs")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_under_the_catalog_keeps_nothing_from_being_read(quick: Any, small_disk: Path) -> None:
    quick.ok("run", "plan.tc", "--report", "report.json")
    with (small_disk / "fill").open("wb", buffering=0) as fill:
        for size in (65536, 4096, 512, 1):
            try:
                while True:
                    fill.write(bytes(size))
            except OSError:
                pass
    run = quick.tcc("run", "plan.tc", "--report", "report.json")
    assert run.code == 1
    assert "disk is full" in run.err
    assert len(quick.ok("objects", "--json", "--plan", "plan.tc").json) == 2
    quick.ok("restore", "tree", "--plan", "plan.tc", "--to", "back")
    quick.ok("verify", "--plan", "plan.tc")
    assert "cannot be" in quick.tcc("catalog", "rebuild", "media", "--plan", "plan.tc").err
    (small_disk / "fill").unlink()
    quick.ok("run", "plan.tc")
    assert len(quick.ok("objects", "--json", "--plan", "plan.tc").json) == 4


def test_a_catalog_on_a_medium_that_is_read_only(quick: Any, small_disk: Path) -> None:
    quick.ok("run", "plan.tc")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    for words in (("run", "plan.tc"), ("catalog", "rebuild", "media", "--plan", "plan.tc")):
        done = quick.tcc(*words)
        assert done.code == 1 and "catalog" in done.err
    quick.ok("restore", "tree", "--plan", "plan.tc", "--to", "back")
