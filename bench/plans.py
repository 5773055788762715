"""How the compiler grows: plans of 1,000, 10,000 and 100,000 buffers, written out and made by `for`; and beside peers.

    python bench/plans.py                      the growth curve
    python bench/plans.py --peers              8,000 sources with two mirrors each, beside Lark and bacula-dir

Processor time of a fresh process for each figure, the least of the rounds: others may be at work on the machine. The
peers alternate in one run, and only ratios within it say something. What a plan takes is what its process takes more
than the same command with a plan of no buffers.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from measure import Sample

BUFFERS_OF_AN_AGENT = 100
SIZES = (1_000, 10_000, 100_000)

LARK = """
import sys
from lark import Lark
from tapechain.dsl.tables import grammar_text
lark = Lark(grammar_text(), parser="lalr", lexer="contextual")
text = open(sys.argv[1], encoding="utf-8").read()
if len(sys.argv) > 2:
    lark.parse(text)
"""
PARSE = """
import gc, sys
gc.disable()  # as the compiler does
from tapechain.dsl.parser import parse
_, found = parse(open(sys.argv[1], "rb").read(), sys.argv[1])
assert not found, found
"""


def written_out(sources: int, *, mirrors: int = 2) -> str:
    """A plan of *sources*, each in a buffer of a backup agent and of *mirrors* mirroring agents, line by line."""
    agents = range(math.ceil(sources / BUFFERS_OF_AN_AGENT))
    lines = ["plan large { record = 64KiB  depth = 2 }"]
    lines += [f'source S{n} {{ files = "/srv/s{n}"  exclude = ["*.tmp"] }}' for n in range(sources)]
    for stage in range(mirrors + 1):
        lines += [f'drive R{stage}x{a} {{ volumes = "media/{stage}-{a}" }}' for a in agents]
        lines.append(f"mirror group g{stage} of g{stage - 1} {{" if stage else "backup group g0 {")
        for a in agents:
            lines.append(f"  agent A{stage}x{a} -> R{stage}x{a} {{")
            own = range(a * BUFFERS_OF_AN_AGENT, min(sources, (a + 1) * BUFFERS_OF_AN_AGENT))
            lines += [f"    B{n} <- " + (f"A{stage - 1}x{a}.B{n}" if stage else f"S{n}") for n in own]
            lines.append("  }")
        lines.append("}")
    lines.append(f"require copies >= {mirrors + 1}")
    return "\n".join(lines) + "\n"


def with_loops(sources: int, *, mirrors: int = 2) -> str:
    """As :func:`written_out`, by `for`."""
    agents = math.ceil(sources / BUFFERS_OF_AN_AGENT)
    each = math.ceil(sources / agents) if agents else 0
    own = f"for n in 1..{each}" if each else "for n in []"
    every = f"for a in 1..{agents}" if agents else "for a in []"
    lines = ["plan large { record = 64KiB  depth = 2 }"]
    lines.append(f'{every} {{ {own} {{ source "S${{a}}-${{n}}" {{ files = "/srv/s${{a}}/${{n}}" }} }} }}')
    for stage in range(mirrors + 1):
        lines.append(f'{every} {{ drive "R{stage}x${{a}}" {{ volumes = "media/{stage}-${{a}}" }} }}')
        lines.append(f"mirror group g{stage} of g{stage - 1} {{" if stage else "backup group g0 {")
        feed = f'"A{stage - 1}x${{a}}"."B${{n}}"' if stage else '"S${a}-${n}"'
        lines.append(
            f'  {every} {{ agent "A{stage}x${{a}}" -> "R{stage}x${{a}}" {{ {own} {{ "B${{n}}" <- {feed} }} }} }}'
        )
        lines.append("}")
    return "\n".join(lines) + "\n"


def run(argv: Sequence[str]) -> Sample:
    """One run of a command that must succeed."""
    start = time.perf_counter()
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr
    words = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(argv)} ended with {process.returncode}: {words.decode(errors='replace')[-500:]}")
    return Sample(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def least(argv: Sequence[str], rounds: int) -> Sample:
    """The least processor time, and the least peak."""
    samples = [run(argv) for _ in range(rounds)]
    return Sample(
        min(s.seconds for s in samples), min(s.cpu_seconds for s in samples), min(s.peak_bytes for s in samples)
    )


def tcc(*arguments: str) -> list[str]:
    """A command line of this interpreter's tcc."""
    return [str(Path(sys.executable).with_name("tcc")), *arguments]


def _write(path: Path, make: Callable[[], str]) -> None:
    """Write what *make* makes, in another process: the kernel counts what we hold as our children's peak, too."""
    child = os.fork()
    if not child:
        path.write_text(make(), encoding="utf-8")
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        raise SystemExit(f"{path} could not be written")


def growth(folder: Path, sizes: Sequence[int], rounds: int) -> list[dict[str, object]]:
    """For each form and size: seconds and peak bytes, and both a buffer, of parse, check and compile."""
    rows: list[dict[str, object]] = []
    forms: dict[str, Callable[[int], str]] = {"written out": written_out, "by for": with_loops}
    for form, make in forms.items():
        nothing: dict[str, Sample] = {}
        for buffers in (0, *sizes):
            path = folder / f"{form.replace(' ', '-')}-{buffers}.tc"
            sources = buffers // 3
            _write(path, lambda make=make, sources=sources: make(sources) if sources else "plan large\n")  # type: ignore[misc]
            steps = {
                "parse": [sys.executable, "-c", PARSE, str(path)],
                "check": tcc("check", str(path)),
                "compile": tcc("compile", str(path), "-o", str(folder / "compiled.json")),
            }
            for step, argv in steps.items():
                sample = least(argv, rounds if buffers < 50_000 else 1)
                if not buffers:
                    nothing[step] = sample
                    continue
                seconds = sample.cpu_seconds - nothing[step].cpu_seconds
                peak = sample.peak_bytes - nothing[step].peak_bytes
                rows.append({
                    "form": form, "buffers": buffers, "step": step, "cpu_seconds": round(seconds, 3),
                    "microseconds_a_buffer": round(seconds / buffers * 1e6, 1),
                    "peak_bytes_a_buffer": round(peak / buffers),
                })  # fmt: skip
                line = f"{form:12} {buffers:7} {step:8} {seconds:8.2f} s {seconds / buffers * 1e6:8.1f} µs a buffer"
                print(f"{line} {peak / buffers:6.0f} bytes a buffer", file=sys.stderr, flush=True)
    return rows


# ---------------------------------------------------------------- beside others


def bacula(sources: int, folder: Path) -> list[str] | None:
    """`bacula-dir -t` over as many clients, file sets, storages and jobs; None, said, where it cannot be run."""
    program = shutil.which("bacula-dir") or shutil.which("bacula-dir", path="/usr/sbin")
    tables = Path("/usr/share/bacula-director/make_sqlite3_tables")
    if program is None or not tables.exists() or shutil.which("sqlite3") is None:
        print("bacula-dir is left out: Debian's bacula-director-sqlite3 and sqlite3 are not installed", file=sys.stderr)
        return None
    script = tables.read_text(encoding="utf-8")
    script = script.partition("<<END-OF-DATA\n")[2].partition("\nEND-OF-DATA")[0]
    subprocess.run(["sqlite3", str(folder / "bacula.db")], input=script.encode(), check=True, stdout=subprocess.DEVNULL)
    parts = [
        f'Director {{\n Name = d\n DIRport = 9101\n QueryFile = "/etc/bacula/scripts/query.sql"\n'
        f' WorkingDirectory = "{folder}"\n PidDirectory = "{folder}"\n Password = "x"\n Messages = M\n}}\n'
        'Catalog {\n Name = C\n dbname = "bacula"\n dbuser = ""\n dbpassword = ""\n}\n'
        "Messages {\n Name = M\n console = all\n}\nPool {\n Name = P\n Pool Type = Backup\n}\n"
    ]
    parts += [
        f'Client {{\n  Name = c{n}\n  Address = localhost\n  Catalog = C\n  Password = "x"\n}}\n'
        f"FileSet {{\n  Name = f{n}\n  Include {{\n    Options {{\n      signature = MD5\n    }}\n"
        f"    File = /srv/s{n}\n  }}\n}}\n"
        f'Storage {{\n  Name = s{n}\n  Address = localhost\n  Password = "x"\n  Device = d{n}\n'
        "  Media Type = File\n}\n"
        f"Job {{\n  Name = j{n}\n  Type = Backup\n  Level = Full\n  Client = c{n}\n  FileSet = f{n}\n"
        f"  Storage = s{n}\n  Pool = P\n  Messages = M\n}}\n"
        for n in range(sources)
    ]
    (folder / "bacula-dir.conf").write_text("".join(parts), encoding="utf-8")
    return [program, "-t", "-c", str(folder / "bacula-dir.conf")]


def peers(folder: Path, sources: int, rounds: int) -> dict[str, object]:
    """`tcc check` of a plan, and again with a line edited, beside Lark's bare parse of it and bacula-dir."""
    plan, edited = folder / "plan.tc", folder / "edited.tc"
    text = written_out(sources)
    plan.write_text(text, encoding="utf-8")
    edited.write_text(text.replace('"/srv/s7"', '"/srv/seven"', 1), encoding="utf-8")
    commands = {
        "lark started": [sys.executable, "-c", LARK, str(plan)],
        "lark": [sys.executable, "-c", LARK, str(plan), "parse"],
        "check": tcc("check", str(plan)),
        "check, a line edited": tcc("check", str(edited)),
    }
    other = bacula(sources, folder)
    if other is not None:
        commands["bacula-dir"] = other
    samples: dict[str, list[Sample]] = {name: [] for name in commands}
    for number in range(rounds):
        for name, argv in list(commands.items())[:: 1 if number % 2 else -1]:
            samples[name].append(run(argv))
    result: dict[str, object] = {"sources": sources}
    for clock in ("seconds", "cpu_seconds"):
        best = {name: min(getattr(s, clock) for s in each) for name, each in samples.items()}
        bare = best["lark"] - best["lark started"]
        ratios = {"check to Lark's bare parse": round(best["check"] / bare, 2)}
        if other is not None:
            for name in ("check", "check, a line edited"):
                ratios[f"{name} to bacula-dir"] = round(best[name] / best["bacula-dir"], 2)
        result[clock] = {name: round(value, 3) for name, value in best.items()} | {"ratios": ratios}
    return result


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--peers", action="store_true", help="beside Lark and bacula-dir")
    options.add_argument("--sources", type=int, default=8_000, help="of the plan beside peers")
    options.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), metavar="BUFFERS")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--out", type=Path, help="write the result as JSON")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="tcc-bench-plans-") as name:
        folder = Path(name)
        if given.peers:
            result: object = peers(folder, given.sources, given.rounds)
        else:
            result = growth(folder, given.sizes, given.rounds)
    text = json.dumps(result, indent=1) + "\n"
    if given.out:
        given.out.write_text(text, encoding="utf-8")
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
