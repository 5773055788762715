"""The bench's own sums: ratios within a round, goals, and what ``compare.py`` calls a difference."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BENCH = Path(__file__).parents[2] / "bench"
COMPARE = BENCH / "compare.py"


@pytest.fixture
def bench() -> Iterator[dict[str, ModuleType]]:
    """The bench's modules, which are scripts beside each other and no package; gone again afterwards."""
    names = ("measure", "result", "data")
    before = set(sys.modules)
    sys.path.insert(0, str(BENCH))
    try:
        yield {name: importlib.import_module(name) for name in names}
    finally:
        sys.path.remove(str(BENCH))
        for name in set(sys.modules) - before:
            if str(BENCH) in str(getattr(sys.modules[name], "__file__", "")):
                del sys.modules[name]


def test_ratios_are_taken_within_a_round_and_the_first_round_does_not_count(bench: dict[str, ModuleType]) -> None:
    sample = bench["measure"].Sample
    ours = [sample(9.0, 9.0, 30 << 20), sample(1.0, 2.0), sample(4.0, 2.0), sample(3.0, 2.0)]
    theirs = [sample(1.0, 1.0, 1 << 20), sample(2.0, 4.0), sample(4.0, 1.0), sample(2.0, 2.0)]
    found = bench["result"].figures_of({"tcc": ours, "peer": theirs}, 3)
    assert found["time/peer"] == bench["result"].Figure(1.0, 0.5, 1.5, (0.5, 1.0, 1.5))
    assert found["cpu/peer"].each == (0.5, 2.0, 1.0)
    assert found["peak MiB"].median == 30
    assert found["cores"].each == (2.0, 0.5, 2.0 / 3.0)


def test_a_goal_is_judged_by_the_median_and_not_where_nothing_was_measured(bench: dict[str, ModuleType]) -> None:
    result = bench["result"]
    figures = {"time/tee": result.Figure.of([0.4, 0.56, 0.5])}
    assert result.Goal("time/tee", 0.5, "").reached(figures) is True
    assert result.Goal("time/tee", 0.49, "").reached(figures) is False
    assert result.Goal("time/tee", 0.51, "", at_least=True).reached(figures) is False
    assert result.Goal("time/mbuffer", 1.0, "").reached(figures) is None


def test_processor_time_of_a_process_that_is_no_child_that_waited(bench: dict[str, ModuleType]) -> None:
    busy = "import sys, time\nwhile time.process_time() < 0.3: pass\nprint(flush=True)\nsys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", busy], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        used = bench["measure"].cpu_seconds_of(process.pid)
        process.communicate(timeout=60)
    assert 0.3 <= used < 3


def test_children_of_a_contender_are_in_its_processor_time_and_memory(
    bench: dict[str, ModuleType], tmp_path: Path
) -> None:
    # The child of a child works, and holds 64 MiB until a moment after it was seen.
    work = "import time\nheld = b'x' * (64 << 20)\nend = time.time() + 0.3\nwhile time.time() < end: pass"
    script = f'{sys.executable} -c "{work}" & wait $!'
    sample = bench["measure"].run(bench["measure"].Contender("it", ["bash", "-c", script]), watch=True)
    assert sample.cpu_seconds > 0.05
    assert sample.peak_bytes > 64 << 20


def test_a_contender_that_fails_ends_the_bench_and_says_why(bench: dict[str, ModuleType]) -> None:
    contender = bench["measure"].Contender("it", ["sh", "-c", "echo no tape >&2; exit 3"])
    with pytest.raises(SystemExit, match=r"(?s)it ended with 3.*no tape"):
        bench["measure"].run(contender)


def test_data_does_not_repeat(bench: dict[str, ModuleType], tmp_path: Path) -> None:
    bench["data"].fill(tmp_path / "a", 5 << 20, seed=1)
    bench["data"].fill(tmp_path / "b", (5 << 20) - 7, seed=2)
    one, two = (tmp_path / "a").read_bytes(), (tmp_path / "b").read_bytes()
    assert (len(one), len(two)) == (5 << 20, (5 << 20) - 7)
    blocks = [data[i : i + 4096] for data in (one, two) for i in range(0, len(data), 4096)]
    assert len(set(blocks)) == len(blocks)
    total = bench["data"].tree(tmp_path / "tree", 250)
    files = [path for path in (tmp_path / "tree").rglob("*") if path.is_file()]
    assert len(files) == 250
    assert sum(path.stat().st_size for path in files) == total


# ---------------------------------------------------------------- compare.py


def _result(path: Path, each: dict[str, list[float]], **machine: Any) -> Path:
    figures = {
        key: {"median": sorted(v)[len(v) // 2], "least": min(v), "most": max(v), "each": v} for key, v in each.items()
    }
    facts = {"commit": path.stem, "changed_since": False, "processors": 2, "load_at_start": 0.0, "peers": {}} | machine
    path.write_text(
        json.dumps({"version": 1, "machine": facts, "small": False, "works": {"one stream": {"figures": figures}}})
    )
    return path


def _compare(*words: str | Path) -> str:
    done = subprocess.run([sys.executable, COMPARE, *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_does_not_overlap_differs_and_less_time_is_better(tmp_path: Path) -> None:
    before = _result(
        tmp_path / "a.json",
        {"time/tee": [1.0, 1.1, 1.2], "time/cp": [1.0, 1.2, 1.4], "records/s": [1, 1.1, 1.2], "peak MiB": [30.0]},
    )
    after = _result(
        tmp_path / "b.json",
        {"time/tee": [0.9, 0.8, 0.7], "time/cp": [1.1, 1.3, 1.5], "records/s": [0.8, 0.9, 0.7], "peak MiB": [33.0]},
    )
    said = _compare(before, after)
    assert "one stream: 1 better, 2 worse" in said
    assert "better time/tee" in " ".join(said.split())
    assert "worse records/s" in " ".join(said.split())
    assert "1 in 10 by chance" in said
    assert "worse  peak MiB" in said and "more than 5% apart" in said
    assert "time/cp" not in said
    assert "same   time/cp" in _compare(before, after, "--all")
    assert "beware" not in said


def test_a_difference_is_not_told_from_too_few_rounds_nor_without_a_warning_from_busy_machines(tmp_path: Path) -> None:
    before = _result(tmp_path / "a.json", {"time/tee": [1.0, 1.1]}, python="3.11", load_at_start=5.0)
    after = _result(tmp_path / "b.json", {"time/tee": [9.0, 9.1, 9.2]}, python="3.12", changed_since=True)
    said = _compare(before, after)
    assert "one stream: too few rounds to tell" in said
    assert "python differs: 3.11 and 3.12" in said
    assert "the first began at load 5.00" in said
    assert "the second is of b with changes" in said


def test_what_is_no_result_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("[]")
    done = subprocess.run(
        [sys.executable, COMPARE, tmp_path / "x.json", tmp_path / "y.json"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "no result of bench/run.py" in done.stderr
    assert "Traceback" not in done.stderr


# ---------------------------------------------------------------- the whole


def test_the_bench_lists_its_works_and_runs_one(tmp_path: Path) -> None:
    run = [sys.executable, str(BENCH / "run.py")]
    listed = subprocess.run([*run, "--list"], capture_output=True, text=True, check=True, timeout=60).stdout
    assert {"one stream", "small files", "six sources", "engine alone", "restore", "verify", "rebuild"} <= {
        line[:24].strip() for line in listed.splitlines()
    }
    begin = time.monotonic()
    out = tmp_path / "out.json"
    words = ["--small", "--only", "one stream", "--only", "restore", "--folder", str(tmp_path), "--out", str(out)]
    done = subprocess.run([*run, *words], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text())
    assert found["works"]["one stream"]["samples"]["tcc"][-1]["seconds"] <= time.monotonic() - begin
    assert found["works"]["restore"]["figures"]["inside/cat | tar -x"]["median"] > 0
    assert found["machine"]["processors"] >= 1
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]
