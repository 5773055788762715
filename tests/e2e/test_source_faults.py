"""Sources that fail in every way at once: each object's state is true, the others are unharmed, memory is bounded."""

import os
import resource
import socket
import subprocess
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(180)

#: source → its declaration, and how its object ends: whole with this text, or failed with these words.
SOURCES: dict[str, tuple[str, str | None, str]] = {
    "good": ("seq 1 30000", "".join(f"{n}\n" for n in range(1, 30_001)), ""),
    "late": ("seq 1 30000; exit 3", None, "exit status 3"),
    "killed": ("seq 1 30000; kill -SEGV $$", None, "SIGSEGV"),
    "floods": ("head -c 30000000 /dev/zero >&2; seq 1 9", "".join(f"{n}\n" for n in range(1, 10)), ""),
    "fails flooding": ("seq 1 9; head -c 3000000 /dev/zero | tr '\\\\0' x >&2; exit 1", None, "exit status 1"),
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
