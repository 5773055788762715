"""Sources that fail in every way at once: each object's state is true, the others are unharmed, memory is bounded."""

import contextlib
import json
import os
import resource
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(180)
#: Bytes of messages that a command floods its run with; with ``TCC_FAULTS=1`` a gigabyte.
FLOOD = 1 << 30 if int(os.environ.get("TCC_FAULTS", "0")) else 30_000_000

#: source → its declaration, and how its object ends: whole with this text, or failed with these words.
SOURCES: dict[str, tuple[str, str | None, str]] = {
    "good": ("seq 1 30000", "".join(f"{n}\n" for n in range(1, 30_001)), ""),
    "late": ("seq 1 30000; exit 3", None, "exit status 3"),
    "killed": ("seq 1 30000; kill -SEGV $$", None, "SIGSEGV"),
    "floods": (f"head -c {FLOOD} /dev/zero >&2; seq 1 9", "".join(f"{n}\n" for n in range(1, 10)), ""),
    "fails flooding": (f"seq 1 9; head -c {FLOOD // 10} /dev/zero | tr '\\\\0' x >&2; exit 1", None, "exit status 1"),
    "closes early": ("echo all; exec 1>&-; true", "all\n", ""),
    "closes and fails": ("echo all; exec 1>&-; exit 7", None, "exit status 7"),
    "nothing": ("true", "", ""),
}
STREAMS = {"gone": ("no.img", "No such file"), "folder": ("tree", "folder"), "socket": ("socket", "socket")}


def test_sources_that_fail_in_every_way_leave_the_others_unharmed(bench: Any) -> None:
    (bench.folder / "tree").mkdir()
    for number in range(40):
        (bench.folder / "tree" / f"new\nline {number}").write_text(str(number))
    with open(os.fsencode(bench.folder / "tree") + b"/no \xff text", "wb") as odd:
        odd.write(b"odd")
    listener = socket.socket(socket.AF_UNIX)
    here = os.open(bench.folder, os.O_RDONLY)
    listener.bind(f"/proc/self/fd/{here}/socket")
    lines = [f'source "{name}" {{ command = ["sh", "-c", "{line}"] }}' for name, (line, _, _) in SOURCES.items()]
    lines += [f'source {name} {{ stream = "{path}" }}' for name, (path, _) in STREAMS.items()]
    lines += ['source tree { files = "tree" }', 'source nowhere { files = "nowhere" }']
    names = [*SOURCES, *STREAMS, "tree", "nowhere"]
    buffers = " ".join(f'B{n} <- "{name}"' for n, name in enumerate(names))
    bench.write(
        "plan many { record = 64KiB  depth = 2 }\n" + "\n".join(lines) + '\ndrive R1 { volumes = "media/R1" }\n'
        'drive R2 { volumes = "media/R2" }\nbackup group b { agent a -> R1 { ' + buffers + " } }\n"
        "mirror group m of b { agent c -> R2 { * <- a } }\n"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    done = bench.tcc("run", "plan.tc", "--report", "report.json")
    listener.close()
    os.close(here)
    assert done.code == 3, done.err
    # Until it is another program a child counts as large as this process.
    ours = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss <= max(before, ours, 120 << 10), "KiB"
    found = {entry["source"]: entry for entry in bench.report()["objects"]}
    assert set(found) == set(names)
    whole = {"tree": None} | {name: text for name, (_, text, _) in SOURCES.items() if text is not None}
    why = {name: words for name, (_, text, words) in SOURCES.items() if text is None}
    why |= {name: words for name, (_, words) in STREAMS.items()} | {"nowhere": ""}
    for name, entry in found.items():
        copies = {copy["status"] for copy in entry["copies"]}
        if name in whole:
            assert (entry["status"], copies) == ("whole", {"stored"}), entry
            bench.ok("restore", name, "--plan", "plan.tc", "--to", f"back/{name}") if name in ("good", "tree") else None
        else:
            assert (entry["status"], copies) == ("failed", {"failed"}), entry
            assert why[name] in entry["error"] and len(entry["error"]) < 6000, entry
            if name in ("late", "gone"):
                assert bench.tcc("restore", name, "--plan", "plan.tc", "--to", f"back/{name}").code == 1
    assert (bench.folder / "back" / "good" / "good").read_text() == whole["good"]
    there = bench.folder / "back" / "tree" / str(bench.folder / "tree").lstrip("/")
    assert {p.name for p in there.iterdir()} == {p.name for p in (bench.folder / "tree").iterdir()}
    bench.ok("verify", "--plan", "plan.tc")


def test_endless_data_fill_their_own_drive_and_no_other(bench: Any) -> None:
    """The drive of the endless source has no room for more than a few files; its neighbour's is complete."""
    bench.write(
        'plan two { record = 64KiB }\nsource endless { command = ["cat", "/dev/zero"] }\n'
        'source good { command = ["seq", "1", "30000"] }\ndrive R1 { volumes = "media/R1" }\n'
        'drive R2 { volumes = "media/R2" }\n'
        "backup group b { agent a -> R1 { A <- endless }\n agent c -> R2 { A <- good } }\n"
    )

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (3 << 20, 3 << 20))

    words = ["tcc", "run", "plan.tc", "--report", "report.json"]
    how: dict[str, Any] = {"cwd": bench.folder, "env": bench.environment, "capture_output": True, "timeout": 90}
    run = subprocess.run(words, preexec_fn=limit, check=False, **how)
    assert run.returncode == 3, run.stderr
    found = {entry["source"]: [copy["status"] for copy in entry["copies"]] for entry in bench.report()["objects"]}
    assert found["good"] == ["stored"] and "stored" not in found["endless"]
    bench.ok("restore", "good", "--plan", "plan.tc", "--to", "back")


#: Commands that never end by themselves.
HANGS = {
    "closed": "echo all; exec 1>&-; sleep {}",
    "open": "echo some; sleep {}",
    "deaf": "trap '' TERM INT HUP; echo some; sleep {} & sleep {}",
    "floods": "echo all; exec 1>&-; yes {} >&2",
    "silent": "exec sleep {}",
}


def test_commands_that_hang_end_with_the_run_and_harm_no_other(bench: Any) -> None:
    """With their output closed or open, deaf to signals, flooding their messages for ever: a signal ends the run."""
    mark = f"1000{os.getpid()}"  # seconds, and in each process's words, so that none is overlooked
    lines = [f'source {n} {{ command = ["sh", "-c", "{c.replace("{}", mark)}"] }}' for n, c in HANGS.items()]
    lines += ['source good { command = ["seq", "1", "30000"] }', 'drive R1 { volumes = "media/R1" }']
    buffers = " ".join(f"B{n} <- {name}" for n, name in enumerate([*HANGS, "good"]))
    group = f"backup group b {{ agent a -> R1 {{ {buffers} }} }}\n"
    bench.write("plan hang { record = 64KiB  depth = 2 }\n" + "\n".join(lines) + "\n" + group)
    process = subprocess.Popen(
        ["tcc", "run", "plan.tc", "--progress", "json", "--report", "report.json"],
        cwd=bench.folder, env=bench.environment, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        states = {s["name"]: s["state"] for s in json.loads(line).get("sources", [])} if line[:1] == "{" else {}
        if states.get("good") == "whole":
            break
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 128 + signal.SIGTERM, said
    found = {entry["source"]: entry for entry in bench.report()["objects"]}
    assert found.keys() == {*HANGS, "good"}
    assert found["good"]["status"] == "whole" and found["good"]["copies"][0]["status"] == "stored", found["good"]
    for name in HANGS:
        assert found[name]["status"] == "cut-off" and found[name]["copies"][0]["status"] != "stored", found[name]
    running = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_bytes()
            running += [words] if mark.encode() in words else []
    assert not running, "a command outlived the run"
    bench.ok("restore", "good", "--plan", "plan.tc", "--to", "back")
    assert bench.tcc("restore", "closed", "--plan", "plan.tc", "--to", "other").code == 1
