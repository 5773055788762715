"""The clock is set, back or ahead by years, before, between and during runs: a preloaded library tells programs so.

Only what programs read is moved (tests/support/clock.c says how); files keep the kernel's times.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import struct
import subprocess
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

DEADLINE_SECONDS = 60
HOUR, DAY, YEAR = 3600, 86_400, 31_557_600
pytestmark = pytest.mark.timeout(2 * DEADLINE_SECONDS)

PLAN = """
plan p {{ record = 64KiB  depth = 4 }}
source tree {{ files = "tree"  level = "incremental" }}
source image {{ {image} }}
pool month {{ retention = 30d  sessions = 2 }}
drive R1 {{ volumes = "media/R1"  pool = month  capacity = 400KiB }}
drive R2 {{ volumes = "media/R2" }}
backup group b {{ agent a -> R1 {{ B1 <- tree  B2 <- image }} }}
mirror group m of b {{ agent c -> R2 {{ * <- a }} }}
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``tests/support/clock.c``, compiled."""
    if shutil.which("cc") is None:
        pytest.skip("no C compiler, which makes the library that moves clocks (tools/install-test-tools)")
    made = tmp_path_factory.mktemp("clock") / "clock.so"
    source = Path(__file__).parents[1] / "support" / "clock.c"
    subprocess.run(["cc", "-O2", "-Wall", "-Werror", "-shared", "-fPIC", source, "-o", made], check=True)
    return made


@dataclass
class Clock:
    """A folder, and ``tcc`` in it under a clock that is set. ``reports``: those of its runs."""

    folder: Path
    library: Path
    reports: list[Any] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        own = {"LD_PRELOAD": str(self.library), "TCC_CLOCK": str(self.folder / "clock")}
        return {**os.environ, **own, "TCC_STATE": str(self.folder / "state"), "CI": "1"}

    def set(self, seconds: int, *, since_boot: int = 0) -> None:
        """Set the clock to so many seconds ahead of the real one, also that of what is running."""
        with open(self.folder / "clock", "r+b", buffering=0) as file:
            file.write(struct.pack("=qq", seconds * 10**9, since_boot * 10**9))

    def tcc(self, *words: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["tcc", *map(str, words)], cwd=self.folder, env=self.environment, capture_output=True, text=True,
            timeout=DEADLINE_SECONDS, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert "Traceback" not in done.stderr and "internal error" not in done.stderr, done.stderr
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def run(self, seconds: int) -> Any:
        self.set(seconds)
        self.tcc("run", "plan.tc", "--report", "report.json")
        self.reports.append(json.loads((self.folder / "report.json").read_text()))
        return self.reports[-1]

    def asked(self, what: str) -> Any:
        return json.loads(self.tcc(what, "--plan", "plan.tc", "--json").stdout)

    def restored(self, source: str, *more: str) -> Path:
        place = f"back-{len(list(self.folder.glob('back-*')))}"
        self.tcc("restore", source, "--plan", "plan.tc", "--to", place, *more)
        return self.folder / place


@pytest.fixture
def clock(tmp_path: Path, library: Path) -> Clock:
    (tmp_path / "clock").write_bytes(bytes(16))
    made = Clock(tmp_path, library)
    (tmp_path / "tree").mkdir()
    (tmp_path / "plan.tc").write_text(PLAN.format(image='stream = "image"'))
    made.set(YEAR)
    done = subprocess.run(["date", "+%s"], env=made.environment, capture_output=True, text=True, check=True)
    if not abs(int(done.stdout) - YEAR - time.time()) < HOUR:
        pytest.skip("programs of this machine do not let a preloaded library move their clock")
    made.set(0)
    return made


def contents(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


#: A leap ahead is followed by a clock that is behind it: files do not bear the times that programs are told.
LEAPS = (0, 60 * YEAR, -5 * YEAR, HOUR, 0, -DAY, -DAY, 230 * YEAR, -70 * YEAR, 0)


@pytest.mark.slow
def test_sessions_of_clocks_that_leap_keep_their_order_and_come_back(clock: Clock) -> None:
    """Years ahead, years behind, beyond what a tar header can bear, before 1970."""
    dice = random.Random(1)
    held: dict[str, dict[str, bytes]] = {}
    for turn, seconds in enumerate(LEAPS):
        (clock.folder / "tree" / f"f{turn % 4}").write_bytes(dice.randbytes(3000))
        (clock.folder / "image").write_bytes(dice.randbytes(90_000))
        if turn == 5:
            (clock.folder / "tree" / "f3").unlink()
        report = clock.run(seconds)
        assert report["status"] == "ok" and 0 <= report["seconds"] < DEADLINE_SECONDS
        for entry in report["objects"]:
            image = {"image": (clock.folder / "image").read_bytes()}
            held[entry["object"]] = contents(clock.folder / "tree") if entry["source"] == "tree" else image
    clock.set(0)
    sessions = clock.asked("sessions")
    assert [s["session"] for s in sessions] == [r["session"] for r in reversed(clock.reports)]
    assert all("1970" <= s["started"] < "2243" and 0 <= s["seconds"] < DEADLINE_SECONDS for s in sessions)
    objects = clock.asked("objects")
    assert len({o["object"] for o in objects}) == len(objects) == len(held)
    parents = {o["object"]: o.get("parent") for o in objects}
    assert all(parent is None or parent < child for child, parent in parents.items())
    assert any(parents.values())
    for tried in ("as the runs left it", "rebuilt"):
        for entry in [o for o in objects if o["source"] == "tree"] + objects[:2] if tried != "rebuilt" else objects[:4]:
            back = clock.restored(entry["source"], "--object", entry["object"])
            place = back / str(clock.folder / "tree")[1:] if entry["source"] == "tree" else back
            assert contents(place) == held[entry["object"]], tried
            shutil.rmtree(place)
        for name in ("tree", "image"):  # the newest is the last one, whatever its clock said
            newest = next(o for o in objects if o["source"] == name)
            assert newest["session"] == clock.reports[-1]["session"]
        clock.tcc("verify", "--plan", "plan.tc")
        clock.tcc("catalog", "rebuild", "media", "--plan", "plan.tc")
        assert clock.asked("objects") == objects


def test_no_leap_frees_a_volume(clock: Clock) -> None:
    """Retention of thirty days, two sessions: neither a session of a clock ahead, nor one that asks, ends it."""
    for turn, seconds in enumerate((0, 0, 0, 40 * YEAR, 0, -3 * YEAR, 0)):
        (clock.folder / "image").write_bytes(random.Random(turn).randbytes(300_000))
        clock.run(seconds)
    names = sorted(p.stem for p in (clock.folder / "media" / "R1").glob("*.tar"))
    assert len(names) > 4
    for seconds in (-60 * YEAR, -YEAR, 0, 29 * DAY, 39 * YEAR, 150 * YEAR):
        clock.set(seconds)
        clock.tcc("volume", "recycle", *names, "--plan", "plan.tc", "--yes", code=1)
    clock.set(0)
    assert sorted(p.stem for p in (clock.folder / "media" / "R1").glob("*.tar")) == names
    clock.tcc("verify", "--plan", "plan.tc")


def test_a_clock_that_leaps_while_a_run_is_on_costs_it_nothing(clock: Clock) -> None:
    """No timeout fires, no duration is wrong, whatever the clock is set to, all the time."""
    os.mkfifo(clock.folder / "flow")
    (clock.folder / "plan.tc").write_text(PLAN.format(image='stream = "flow"'))
    (clock.folder / "tree" / "f").write_text("x")
    (clock.folder / "report.json").unlink(missing_ok=True)
    begun = time.monotonic()
    run = subprocess.Popen(
        ["tcc", "run", "plan.tc", "--hang-after", "20s", "--report", "report.json", "--progress", "json"],
        cwd=clock.folder, env=clock.environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    said: list[str] = []
    assert run.stderr is not None
    listening = threading.Thread(target=lambda stream=run.stderr: said.extend(stream))
    listening.start()
    data = random.Random(3).randbytes(4_000_000)
    leaps = itertools.cycle((10 * YEAR, -10 * YEAR, HOUR, -HOUR, 30, -30, 230 * YEAR, 0))
    with open(clock.folder / "flow", "wb", buffering=0) as flow:
        for at in range(0, len(data), 20_000):
            clock.set(next(leaps))
            flow.write(data[at : at + 20_000])
    assert run.wait(DEADLINE_SECONDS) == 0, said
    listening.join(DEADLINE_SECONDS)
    lasted = time.monotonic() - begun
    report = json.loads((clock.folder / "report.json").read_text())
    assert report["status"] == "ok" and 0 <= report["seconds"] <= lasted
    lines = [json.loads(line) for line in said if line.startswith("{")]
    assert lines and all(0 <= line.get("seconds", 0) <= lasted for line in lines)
    (session,) = clock.asked("sessions")
    assert 0 <= session["seconds"] <= lasted
    clock.set(0)
    assert contents(clock.restored("image")) == {"image": data}
    clock.tcc("verify", "--plan", "plan.tc")


def test_a_drill_and_the_way_back_by_time_work_under_any_clock(clock: Clock) -> None:
    (clock.folder / "tree" / "f").write_text("x")
    (clock.folder / "image").write_bytes(b"first")
    clock.run(0)
    (clock.folder / "image").write_bytes(b"second")
    clock.run(20 * YEAR)
    (clock.folder / "image").write_bytes(b"third")
    clock.run(0)
    moment = datetime.fromtimestamp(time.time() + DAY).isoformat(timespec="seconds")
    assert contents(clock.restored("image", "--as-of", moment)) == {"image": b"third"}
    said = clock.tcc("restore", "image", "--plan", "plan.tc", "--to", "noted", "--as-of", moment).stderr
    assert "session 3 says that it is of" in said and "the clock was set; --as-of goes by what each says" in said
    assert contents(clock.restored("image")) == {"image": b"third"}
    for seconds in (0, 50 * YEAR, -20 * YEAR):
        clock.set(seconds)
        clock.tcc("drill", "plan.tc", "--all", "--report", "drill.json")
        assert 0 <= json.loads((clock.folder / "drill.json").read_text())["seconds"] < DEADLINE_SECONDS
        clock.tcc("estimate", "plan.tc")
    clock.set(0)
    clock.tcc("verify", "--plan", "plan.tc", "--max-age", "1d")
    clock.set(3 * DAY)
    assert "3 days ago" in clock.tcc("verify", "--plan", "plan.tc", "--max-age", "1d", code=1).stdout
    clock.set(-3 * DAY)
    assert "has not come" in clock.tcc("verify", "--plan", "plan.tc", "--max-age", "1d", code=1).stdout


def test_what_changed_while_the_clock_was_behind_is_stored(clock: Clock) -> None:
    """A run under a clock two hours ahead, which is put right; a file changes; when it has passed that time, a run."""
    (clock.folder / "tree" / "before").write_text("x")
    (clock.folder / "image").write_bytes(b"image")
    clock.run(2 * HOUR)
    (clock.folder / "tree" / "before").write_text("changed, and by tar's clock before the last run")
    (clock.folder / "tree" / "new").write_text("new")
    clock.set(3 * HOUR, since_boot=3 * HOUR)
    clock.tcc("run", "plan.tc", "--report", "report.json")
    notes = " ".join(json.loads((clock.folder / "report.json").read_text())["notes"])
    assert "source tree: a full: the clock was set back since the last one" in notes
    back = clock.restored("tree") / str(clock.folder / "tree")[1:]
    assert contents(back) == contents(clock.folder / "tree")


def test_what_changed_while_the_clock_was_set_back_and_forward_again_is_stored(clock: Clock) -> None:
    """Both runs under a clock two hours ahead; between them files change under one that is right.

    A file that is replaced, or one beside which something comes or goes, leaves its trace in its folder's time.
    """
    tree = clock.folder / "tree"
    (tree / "quiet" / "below").mkdir(parents=True)
    (tree / "quiet" / "below" / "kept").write_text("kept")
    (tree / "before").write_text("x")
    (clock.folder / "image").write_bytes(b"image")
    clock.run(2 * HOUR)
    nothing = clock.run(2 * HOUR)
    assert not any("anew" in w for o in nothing["objects"] for w in o["warnings"])
    (tree / "before").write_text("changed, and by tar's clock before the last run")
    (tree / "quiet" / "below" / "new").write_text("new")
    again = clock.run(2 * HOUR)
    assert again["status"] == "ok"
    (told,) = [w for o in again["objects"] for w in o["warnings"]]
    assert told.startswith(f"all of it is stored anew: {tree}/quiet/below changed at a time before the last run")
    back = clock.restored("tree") / str(tree)[1:]
    assert contents(back) == contents(tree)
    quiet = clock.run(2 * HOUR)
    assert not any("anew" in w for o in quiet["objects"] for w in o["warnings"])
    newest = next(o for o in clock.asked("objects") if o["source"] == "tree")
    assert newest["level"] == "incremental"
