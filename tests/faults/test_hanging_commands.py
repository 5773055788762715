"""Commands that read media, on a file system whose calls do not return: real ones, which the kernel lets nobody leave.

The file system has taken the call and gives no answer, as a server of sshfs that is gone: not even SIGKILL ends such a
thread. Each command names the drive, does what else it can, and ends all the same.
"""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from faulty import DEADLINE_SECONDS, Faulty, faulty_folder

pytestmark = pytest.mark.timeout(100)

# In the order of objects, so that u lies behind all places at which the tests let R2 hang.
PLAN = """
plan p {{ state = "state"  record = 64KiB }}
source s {{ command = ["seq", "1", "400000"] }}
source t {{ files = "tree" }}
source u {{ command = ["echo", "only on one"] }}
drive R1 {{ volumes = "media/R1" }}
drive R2 {{ volumes = "{hangs}/R2" }}
backup group b {{ agent a -> R1 {{ B1 <- s  B2 <- t }} }}
backup group d {{ agent e -> R2 {{ order = "object"  B1 <- s  B2 <- t  B3 <- u }} }}
"""


class World:
    """A plan that was run: R1 lies on a disk that works, R2 on the one that hangs when it is told to."""

    def __init__(self, folder: Path, mounted: Faulty) -> None:
        self.folder, self.mounted = folder, mounted
        self.name = folder.name
        (folder / "tree").mkdir()
        for n in range(5):
            (folder / "tree" / f"file{n}").write_bytes(bytes([n]) * 30_000)
        (folder / "plan.tc").write_text(PLAN.format(hangs=mounted.place / self.name))
        assert self.say("compile", "plan.tc").returncode == self.say("run", "plan.tc").returncode == 0

    def say(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command, to its end, which nothing but itself brings about."""
        return subprocess.run(
            ["tcc", *words], cwd=self.folder, capture_output=True, text=True, stdin=subprocess.DEVNULL,
            timeout=DEADLINE_SECONDS,
        )  # fmt: skip

    def hangs(self, op: str = "read", *, at: int = -1, path: str = r"\.tar$") -> None:
        """From now on: each *op* on R2 that fits, and no other."""
        self.mounted.heal()
        fits = {"ops": [op], "path": f"^/{self.name}/R2.*{path}" if path else f"^/{self.name}", "at": at}
        # What the kernel has cached it does not ask for.
        for volume in (self.mounted.place / self.name / "R2").glob("*.tar"):
            with volume.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        self.mounted.faults([{"then": {**fits, "do": ["hang"]}}])


@pytest.fixture(scope="module")
def mounted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    with faulty_folder(tmp_path_factory.mktemp("hanging")) as place:
        yield place


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory, mounted: Faulty) -> World:
    return World(tmp_path_factory.mktemp("stored"), mounted)


@pytest.fixture
def world(stored: World) -> Iterator[World]:
    yield stored
    stored.mounted.heal()


AFTER = ("--hang-after", "1s")


def test_verify_names_the_drive_the_volume_and_the_place_and_verifies_the_others(world: World) -> None:
    world.hangs(at=1_500_000)
    done = world.say("verify", "--plan", "plan.plan.json", "--json", *AFTER)
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert found["status"] == "hanging"
    volumes = {v["drive"]: v for v in found["volumes"]}
    assert volumes["R1"]["status"] == "sound" and volumes["R2"]["status"] == "hanging"
    (problem,) = volumes["R2"]["problems"]
    assert 'drive "R2", volume R2-000001, at byte ' in problem and "it hangs" in problem
    assert volumes["R2"]["records"] > 0 and "verify again" in volumes["R2"]["todo"]
    held = {o["source"]: {c["drive"]: c["status"] for c in o["copies"]} for o in found["objects"] if "copies" in o}
    assert "sound" in {status for copies in held.values() for status in copies.values()}
    assert not any(o["status"] in {"lost", "damaged"} for o in found["objects"])
    assert world.say("verify", "--plan", "plan.plan.json", "R1-000001", *AFTER).returncode == 0
    world.mounted.heal()
    assert world.say("verify", "--plan", "plan.plan.json").returncode == 0


def test_verify_of_paths_and_sources_whose_folder_does_not_answer(world: World) -> None:
    place = str(world.mounted.place / world.name)
    world.hangs("getattr", path="")
    done = world.say("verify", place, "media/R1", *AFTER)
    assert done.returncode == 1 and "it hangs" in done.stdout and "NOT all sound: 1 volume" in done.stderr, done
    done = world.say("verify", "u", "--plan", "plan.plan.json", *AFTER)
    assert done.returncode == 1 and "hanging  p/u" in done.stdout and "LOST" not in done.stdout, done


def test_a_drill_and_a_list_of_files_take_the_other_copy_and_say_so(world: World) -> None:
    world.hangs(at=200_000)
    done = world.say("drill", "plan.plan.json", "--all", "--report", "drill.json", *AFTER)
    assert done.returncode == 3, done
    drilled = {o["source"]: o for o in json.loads((world.folder / "drill.json").read_text())["objects"]}
    for source in ("s", "t"):
        assert drilled[source]["status"] == "degraded" and drilled[source]["compared_with"] == "R1", drilled
        assert "drive R2 hangs: its copy was not compared in full" in drilled[source]["problems"]
    assert drilled["u"]["status"] == "failed"
    folders = (str(world.mounted.place / world.name / "R2"), "media/R1")
    done = world.say("files", "t", "--from", folders[0], "--from", folders[1], *AFTER)
    assert done.returncode == 0 and done.stdout.count("/tree/file") == 5, done
    assert "it hangs" in done.stderr


@pytest.mark.parametrize("op", ["getattr", "read"])
def test_a_restore_from_folders_leaves_the_one_that_does_not_answer(world: World, tmp_path: Path, op: str) -> None:
    folders = [word for path in (world.mounted.place / world.name, "media") for word in ("--from", str(path))]
    world.hangs(op, path="")
    done = world.say("restore", "s", "--to", str(tmp_path / "back"), *folders, *AFTER)
    assert done.returncode == 0 and "it hangs" in done.stderr, done
    assert (tmp_path / "back" / "s").read_text().splitlines() == [str(n) for n in range(1, 400_001)]
    if op == "getattr":
        return
    done = world.say("restore", "u", "--to", str(tmp_path / "none"), *folders, *AFTER)
    assert done.returncode in {1, 2} and not (tmp_path / "none").exists() and "it hangs" in done.stderr, done


def test_a_rebuild_knows_the_volumes_that_answer_and_keeps_the_old_catalog(world: World, tmp_path: Path) -> None:
    into = f"sqlite:///{tmp_path}/found.sqlite"
    world.hangs("getattr", path="")
    done = world.say("catalog", "rebuild", "--plan", "plan.plan.json", "--into", into, *AFTER)
    assert done.returncode == 3 and "it hangs" in done.stderr and "rebuilt: 1 volume" in done.stderr, done
    world.hangs("read")
    place = str(world.mounted.place / world.name / "R2")
    done = world.say("catalog", "rebuild", place, "--into", into, *AFTER)
    assert done.returncode == 1 and "nothing was rebuilt" in done.stderr, done
    done = world.say("catalog", "add", place, "media", "--catalog", into, *AFTER)
    assert done.returncode == 3 and "1 volume(s) in " in done.stderr and "added: 1 volume" in done.stderr, done


def test_volumes_of_a_folder_that_does_not_answer_are_listed_shown_and_recycled_as_far_as_can_be(world: World) -> None:
    plan = ("--plan", "plan.plan.json")
    world.hangs("getattr", path="")
    done = world.say("volumes", *plan, "--json", *AFTER)
    assert done.returncode == 0 and "it hangs" in done.stderr, done
    assert {v["drive"]: v["status"] for v in json.loads(done.stdout)} == {"R1": "open", "R2": "hanging"}
    done = world.say("volume", "label", "R2", *plan, *AFTER)
    assert done.returncode == 1 and 'drive "R2"' in done.stderr and "it hangs" in done.stderr, done
    world.hangs("read")
    volumes = [str(p / "R2-000001.tar") for p in (world.mounted.place / world.name / "R2",)] + [
        "media/R1/R1-000001.tar"
    ]
    done = world.say("volume", "show", *volumes, *AFTER)
    assert done.returncode == 1 and "volume R2-000001, at byte 0" in done.stderr, done
    assert done.stdout.startswith("R1-000001"), done
    done = world.say("volume", "recycle", "R2-000001", "R1-000001", *plan, "--yes", *AFTER)
    assert done.returncode == 1 and "the volume is as it was" in done.stderr and "it is kept" in done.stderr, done
    world.mounted.heal()
    assert world.say("verify", *plan).returncode == 0


def test_the_process_ends_with_its_parent_and_as_it_did(world: World) -> None:
    """Whoever kills the one that was started kills the other."""
    world.hangs("read")
    command = ["tcc", "verify", "--plan", "plan.plan.json"]
    process = subprocess.Popen(command, cwd=world.folder, stderr=subprocess.PIPE, text=True)
    world.mounted.wait_until_fired()
    process.kill()
    assert process.wait(DEADLINE_SECONDS) == -signal.SIGKILL
    world.mounted.heal()
    assert process.stderr is not None
    process.stderr.read()  # to its end: the child that held it is no more


@pytest.mark.parametrize(
    ("number", "command"),
    [
        (signal.SIGINT, ("verify",)),
        (signal.SIGINT, ("drill",)),
        (signal.SIGINT, ("restore", "u", "--to", "back")),
        (signal.SIGTERM, ("restore", "u", "--to", "again")),
        (signal.SIGINT, ("files", "t")),
    ],
)
def test_the_first_signal_during_a_hang_ends_it_in_order(
    world: World, number: signal.Signals, command: tuple[str, ...]
) -> None:
    """Without waiting for the call, long before the drive is given up."""
    world.hangs("read", at=100_000)
    plan = ("plan.plan.json",) if command[0] == "drill" else ("--plan", "plan.plan.json")
    if command[0] == "files":
        plan = ("--from", str(world.mounted.place / world.name / "R2"))
    process = subprocess.Popen(
        ["tcc", *command, *plan], cwd=world.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    world.mounted.wait_until_fired()
    process.send_signal(number)
    out, err = process.communicate(timeout=DEADLINE_SECONDS)
    assert process.returncode == 128 + number, (out, err)
    assert "stopped: " in err and "all sound" not in err, err
    assert command[0] == "verify" or 'drive "R2"' in err or str(world.mounted.place) in err, err


def said_until(run: subprocess.Popen[str], words: str) -> str:
    """What it says as far as these words; a reader's end is the deadline's."""
    assert run.stderr is not None
    ends = threading.Timer(DEADLINE_SECONDS, run.kill)
    ends.start()
    said = ""
    while words not in said and (line := run.stderr.readline()):
        said += line
    ends.cancel()
    assert words in said, said
    return said


@pytest.mark.parametrize("kind", ["files", "command"])
def test_a_source_that_gives_nothing_is_named_and_waited_for(mounted: Faulty, tmp_path: Path, kind: str) -> None:
    """Of a drive that hangs nobody speaks, and no source is given up."""
    tree = mounted.place / tmp_path.name
    tree.mkdir()
    (tree / "file").write_bytes(b"data" * 1000)
    os.mkfifo(tmp_path / "gate")
    source = {"files": f'files = "{tree}"', "command": 'command = ["sh", "-c", "echo a; read x < gate; echo $x"]'}[kind]
    (tmp_path / "plan.tc").write_text(
        f'plan p {{ state = "state" }}\nsource s {{ {source} }}\ndrive R {{ volumes = "media" }}\n'
        "backup group g { agent a -> R { B <- s } }\n"
    )
    subprocess.run(["tcc", "compile", "plan.tc"], cwd=tmp_path, check=True, timeout=DEADLINE_SECONDS)
    if kind == "files":
        mounted.faults([{"then": {"ops": ["open"], "path": f"^/{tmp_path.name}/file$", "do": ["hang"]}}])
    command = ["tcc", "run", "plan.plan.json", "--hang-after", "1s", "--report", "report.json"]
    run = subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    said = said_until(run, "source s has given nothing for ")
    if kind == "files":
        mounted.heal()
    else:
        assert "sh -c " in said, said
        (tmp_path / "gate").write_text("b\n")
    assert run.stderr is not None
    said += run.stderr.read()
    assert run.wait(DEADLINE_SECONDS) == 0, said
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["status"] == "ok" and said.count("has given nothing") == 1, said
