"""Named for disasters: what the command says and leaves when drives, sources, media and the process itself fail."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

PAIR = """
plan pair {{ record = 64KiB  depth = 4 }}
{sources}
drive R1 {{ volumes = "media/R1" }}
drive R2 {{ volumes = "{second}" }}
backup group b {{ agent a -> R1 {{ {buffers} }} }}
mirror group m of b {{ agent c -> R2 {{ * <- a }} }}
"""


def pair(second: str = "media/R2", **sources: str) -> str:
    lines = "\n".join(f"source {name} {{ {what} }}" for name, what in sources.items())
    buffers = "  ".join(f"B{i} <- {name}" for i, name in enumerate(sources, 1))
    return PAIR.format(sources=lines, buffers=buffers, second=second)


def copies(report, source: str) -> dict[str, str]:
    (entry,) = [o for o in report["objects"] if o["source"] == source]
    return {c["drive"]: c["status"] for c in entry["copies"]}


def flip(path: Path, position: int) -> None:
    with open(path, "r+b") as stream:
        stream.seek(position)
        byte = stream.read(1)
        stream.seek(position)
        stream.write(bytes([byte[0] ^ 0x40]))


def test_drive_that_cannot_be_mounted_leaves_the_other_copy_whole(bench) -> None:
    (bench.folder / "blocked").write_text("a file where a folder must be")
    bench.write(pair("blocked/R2", numbers='command = ["seq", "1", "100000"]'))
    done = bench.tcc("run", "plan.tc", "--report", "report.json")
    assert done.code == 3
    assert bench.report()["status"] == "degraded"
    assert copies(bench.report(), "numbers")["R1"] == "stored"
    assert copies(bench.report(), "numbers")["R2"] in {"failed", "cut-off"}
    assert "R2" in done.err
    bench.ok("restore", "numbers", "--plan", "plan.tc", "--to", "back")
    assert (bench.folder / "blocked").read_text() == "a file where a folder must be"


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small tmpfs needs root")
def test_drive_that_runs_full_leaves_the_other_copy_whole(bench) -> None:
    small = bench.folder / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small], capture_output=True).returncode:
        pytest.skip("this machine does not let root mount a tmpfs")
    try:
        bench.write(
            pair(
                "small/R2", tiny='command = ["echo", "hello"]', zeros='command = ["head", "-c", "5000000", "/dev/zero"]'
            )
        )
        done = bench.tcc("run", "plan.tc", "--report", "report.json")
        assert done.code == 3
        report = bench.report()
        assert copies(report, "zeros") == {"R1": "stored", "R2": "cut-off"}
        assert copies(report, "tiny")["R1"] == "stored"
        bench.ok("restore", "zeros", "--plan", "plan.tc", "--to", "back")
        assert (bench.folder / "back" / "zeros").stat().st_size == 5_000_000
        # What the report calls stored on the full drive must come back from it alone.
        if copies(report, "tiny")["R2"] == "stored":
            bench.ok("restore", "tiny", "--from", "small/R2", "--to", "back-tiny")
        assert bench.tcc("restore", "zeros", "--from", "small/R2", "--to", "back-cut").code == 1
    finally:
        subprocess.run(["umount", small], check=True)


def test_failed_command_is_never_offered_as_whole(bench) -> None:
    bench.write(
        pair(good='command = ["echo", "fine"]', bad='command = ["sh", "-c", "seq 1 90000; echo broken >&2; exit 7"]')
    )
    done = bench.tcc("run", "plan.tc", "--report", "report.json")
    assert done.code == 3
    states = {o["source"]: o["status"] for o in bench.report()["objects"]}
    assert states == {"good": "whole", "bad": "failed"}
    assert "bad" in done.err and "7" in done.err and "broken" in done.err
    refused = bench.tcc("restore", "bad", "--plan", "plan.tc", "--to", "back-bad")
    assert refused.code == 1 and not list(bench.folder.glob("back-bad/*"))
    assert bench.tcc("restore", "bad", "--from", "media/R2", "--to", "back-bad2").code == 1
    bench.ok("restore", "good", "--from", "media/R2", "--to", "back-good")
    bench.ok("verify", "--plan", "plan.tc")


def test_run_whose_only_source_fails_is_failed(bench) -> None:
    bench.write(pair(bad='command = ["false"]'))
    done = bench.tcc("run", "plan.tc", "--report", "report.json")
    assert done.code == 1 and bench.report()["status"] == "failed"


def test_missing_path_beside_a_present_one_is_degraded(bench) -> None:
    (bench.folder / "here").mkdir()
    (bench.folder / "here" / "file").write_text("x")
    bench.write(pair(tree='files = ["here", "missing"]'))
    done = bench.tcc("run", "plan.tc", "--report", "report.json")
    assert done.code == 3, done.err
    (entry,) = bench.report()["objects"]
    assert entry["status"] == "whole" and any("missing" in w for w in entry["warnings"])
    bench.tcc("restore", "tree", "--plan", "plan.tc", "--to", "back")
    assert (bench.folder / "back" / str(bench.folder / "here" / "file").lstrip("/")).read_text() == "x"


def test_flipped_byte_is_found_and_healed_from_the_other_copy(bench) -> None:
    bench.write(pair(numbers='command = ["seq", "1", "100000"]'))
    bench.ok("run", "plan.tc")
    (first,) = (bench.folder / "media" / "R1").glob("*.tar")
    (second,) = (bench.folder / "media" / "R2").glob("*.tar")
    flip(first, 16384 + 3 * 65536 + 9000)
    flip(second, 16384 + 6 * 65536 + 9000)
    done = bench.tcc("verify", "--plan", "plan.tc")
    assert done.code == 1
    assert "R1-000001" in done.out + done.err and "R2-000001" in done.out + done.err
    back = bench.tcc("restore", "numbers", "--plan", "plan.tc", "--to", "back")
    assert back.code == 0, back.err
    assert (bench.folder / "back" / "numbers").read_text() == "".join(f"{i}\n" for i in range(1, 100001))
    alone = bench.tcc("restore", "numbers", "--from", "media/R1", "--to", "alone")
    assert alone.code in {1, 3} and not (bench.folder / "alone" / "numbers").exists()


def test_foreign_files_and_lying_labels_are_never_touched(bench) -> None:
    bench.write(pair(numbers='command = ["seq", "1", "1000"]'))
    folder = bench.folder / "media" / "R1"
    folder.mkdir(parents=True)
    (folder / "holiday.jpg").write_bytes(b"photo")
    (folder / "R1-000001.tar").write_bytes(b"not a volume of ours, but by its name" * 100)
    (folder / "R1-000007.tar").symlink_to("/dev/null")
    before = {p.name: p.lstat().st_mtime_ns for p in folder.iterdir()}
    done = bench.tcc("run", "plan.tc", "--report", "report.json")
    assert done.code in {0, 3}
    assert (folder / "holiday.jpg").read_bytes() == b"photo"
    assert (folder / "R1-000001.tar").read_bytes() == b"not a volume of ours, but by its name" * 100
    assert {name: (folder / name).lstat().st_mtime_ns for name in before} == before
    assert copies(bench.report(), "numbers")["R2"] == "stored"


def test_volume_of_another_drive_is_not_written(bench) -> None:
    bench.write(pair(numbers='command = ["seq", "1", "1000"]'))
    bench.ok("run", "plan.tc")
    (volume,) = (bench.folder / "media" / "R2").glob("*.tar")
    liar = bench.folder / "media" / "R1" / "R1-000009.tar"
    shutil.copy(volume, liar)
    content = liar.read_bytes()
    bench.tcc("run", "plan.tc")
    assert liar.read_bytes() == content


def test_restore_refuses_a_folder_that_is_not_empty(bench) -> None:
    bench.write(pair(numbers='command = ["seq", "1", "1000"]'))
    bench.ok("run", "plan.tc")
    (bench.folder / "back").mkdir()
    (bench.folder / "back" / "mine").write_text("mine")
    done = bench.tcc("restore", "numbers", "--plan", "plan.tc", "--to", "back")
    assert done.code in {1, 2} and "--overwrite" in done.err
    assert os.listdir(bench.folder / "back") == ["mine"]
    bench.ok("restore", "numbers", "--plan", "plan.tc", "--to", "back", "--overwrite")
    assert (bench.folder / "back" / "mine").read_text() == "mine"


def start(bench, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["tcc", *arguments],
        cwd=bench.folder,
        env=bench.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until_written(folder: Path, least: int) -> None:
    """Until volumes below *folder* hold *least* bytes, which only polling shows of another process."""
    deadline = time.monotonic() + 30
    while sum(p.stat().st_size for p in folder.rglob("*.tar") if p.exists()) < least:
        assert time.monotonic() < deadline, "nothing was written"
        os.sched_yield()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_the_run_in_order(bench, how: signal.Signals) -> None:
    bench.write(
        pair(quick='command = ["echo", "done"]', endless='command = ["sh", "-c", "while :; do seq 1 5000; done"]')
    )
    process = start(bench, "run", "plan.tc", "--report", "report.json")
    wait_until_written(bench.folder / "media", 2_000_000)
    process.send_signal(how)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + how, err
    assert "Traceback" not in err
    states = {o["source"]: o["status"] for o in bench.report()["objects"]}
    assert states["quick"] == "whole" and states["endless"] in {"cut-off", "failed"}
    bench.ok("verify", "--plan", "plan.tc")
    bench.ok("restore", "quick", "--plan", "plan.tc", "--to", "back")
    assert bench.tcc("restore", "endless", "--plan", "plan.tc", "--to", "back2").code == 1


def test_killed_run_leaves_volumes_that_the_next_run_goes_on_with(bench) -> None:
    bench.write(pair(numbers='command = ["seq", "1", "100000"]'), "first.tc")
    bench.write(pair(endless='command = ["sh", "-c", "while :; do seq 1 5000; done"]'), "endless.tc")
    bench.ok("run", "first.tc")
    kept = {p: p.read_bytes()[:-1024] for p in (bench.folder / "media").rglob("*.tar")}
    process = start(bench, "run", "endless.tc")
    wait_until_written(bench.folder / "media", 5_000_000)
    process.kill()
    process.communicate(timeout=60)
    # The tail as a crash may leave it: half a record.
    for path in kept:
        os.truncate(path, path.stat().st_size - 30_000)
    bench.ok("restore", "numbers", "--from", "media/R1", "--to", "between")
    after = bench.tcc("run", "first.tc", "--report", "report.json")
    assert after.code == 0, after.err
    for path, content in kept.items():
        assert path.read_bytes()[: len(content)] == content
    bench.ok("restore", "numbers", "--plan", "first.tc", "--to", "back")
    bench.ok("verify", "--plan", "first.tc")
    for path in kept:
        listing = subprocess.run(["tar", "-tf", path], capture_output=True, text=True)
        assert listing.returncode == 0 and listing.stderr == ""
    shutil.rmtree(bench.folder / "state")
    bench.ok("catalog", "rebuild", "media", "--plan", "first.tc")
    assert bench.tcc("restore", "endless", "--plan", "first.tc", "--to", "never").code == 1


def test_two_runs_at_once_on_one_drive_do_not_mix(bench) -> None:
    bench.write(pair(endless='command = ["sh", "-c", "while :; do seq 1 5000; done"]'), "endless.tc")
    bench.write(pair(numbers='command = ["seq", "1", "1000"]'))
    process = start(bench, "run", "endless.tc")
    wait_until_written(bench.folder / "media", 1_000_000)
    done = bench.tcc("run", "plan.tc")
    assert done.code == 1 and "R1" in done.err
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    bench.ok("run", "plan.tc")
    bench.ok("verify", "--plan", "plan.tc")


def test_discarded_copies_never_count(bench) -> None:
    bench.write(
        """
plan nowhere
source numbers { command = ["seq", "1", "1000"] }
drive R1 { discard = true }
backup group b { agent a -> R1 { B1 <- numbers } }
"""
    )
    done = bench.tcc("run", "plan.tc", "--report", "report.json")
    assert copies(bench.report(), "numbers") == {"R1": "discarded"}
    assert done.code == 1 and bench.report()["status"] == "failed"


def test_own_volumes_are_left_out_of_a_source_that_holds_them(bench) -> None:
    (bench.folder / "file").write_text("kept")
    bench.write(pair(everything='files = "."'))
    assert "TC906" in bench.tcc("check", "plan.tc").out
    for _ in range(2):
        bench.ok("run", "plan.tc", "--report", "report.json")
    bench.ok("restore", "everything", "--plan", "plan.tc", "--to", "/".join([str(bench.folder), "..", "back"]))
    restored = (bench.folder / ".." / "back").resolve() / str(bench.folder).lstrip("/")
    assert (restored / "file").read_text() == "kept"
    assert not (restored / "media" / "R1").exists() or not list((restored / "media" / "R1").iterdir())


def test_run_refuses_what_it_cannot_do_before_it_opens_anything(bench) -> None:
    bench.write(
        """
plan later
host far { address = "far.example" }
source home { files = "/etc/hostname"  host = far }
drive R1 { volumes = "media" }
backup group b { agent a -> R1 { B1 <- home } }
"""
    )
    done = bench.tcc("run", "plan.tc")
    assert done.code == 2 and "host = far" in done.err and "home" in done.err
    assert not (bench.folder / "media").exists()


def test_folder_that_is_removed_while_it_is_written_is_not_called_stored(bench) -> None:
    """fsync confirms an unlinked file; only what can be found again is stored."""
    slow = 'command = ["sh", "-c", "seq 1 100000; touch begun; until [ -e gone ]; do :; done; seq 1 100000"]'
    bench.write(pair(numbers=slow))
    run = subprocess.Popen(
        ["tcc", "run", "plan.tc", "--report", "report.json"],
        cwd=bench.folder,
        env=bench.environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        second = bench.folder / "media" / "R2"
        deadline = time.monotonic() + 60
        while not ((bench.folder / "begun").exists() and (second / "R2-000001.tar").exists()):
            assert time.monotonic() < deadline, "the run does not begin"
            assert run.poll() is None
        shutil.rmtree(second)
        (bench.folder / "gone").touch()
        _, said = run.communicate(timeout=60)
    finally:
        run.kill()
        run.wait()
    assert run.returncode == 3, said
    assert "was removed while it was written" in said
    assert copies(bench.report(), "numbers") == {"R1": "stored", "R2": "failed"}
    bench.ok("restore", "numbers", "--plan", "plan.tc", "--to", "back")


def test_run_brings_a_catalog_that_missed_a_session_up_to_date(bench) -> None:
    """As after a process that died when its drives had confirmed everything and the catalog did not know yet."""
    bench.write(pair(numbers='command = ["seq", "1", "100000"]'))
    bench.ok("run", "plan.tc")
    catalog = bench.folder / "state" / "catalog.sqlite"
    shutil.copy(catalog, bench.folder / "before")
    bench.ok("run", "plan.tc")
    for file in catalog.parent.glob("catalog.sqlite*"):
        file.unlink()
    shutil.copy(bench.folder / "before", catalog)
    bench.ok("run", "plan.tc", "--report", "report.json")
    assert any("the catalog did not know" in note for note in bench.report()["notes"])
    objects = bench.ok("objects", "--plan", "plan.tc", "--json").json
    assert [o["status"] for o in objects] == ["whole"] * 3
    assert [c["status"] for o in objects for c in o["copies"]] == ["stored"] * 6
    bench.ok("verify", "--plan", "plan.tc")
