"""``--emit systemd``: units that systemd itself accepts, whatever a plan's names are."""

import dataclasses
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tapechain.cli.main import _main
from tapechain.compiler.emit.systemd import Invocation, NoUnits, escaped_name, to_units, word
from tapechain.compiler.program import compile_program
from tapechain.compiler.world import MemoryWorld
from tapechain.runtime.plan import CompiledPlan

ANALYZE = shutil.which("systemd-analyze")
ESCAPE = shutil.which("systemd-escape")
needs_analyze = pytest.mark.skipif(ANALYZE is None, reason="there is no systemd-analyze on this machine")

HERE = Invocation(("/usr/bin/true",), "/srv/plans/night.tc", "/srv/plans", {}, {})

PLAN = """plan night {{ schedule = "{schedule}"{plan} }}
source home {{ {source} }} # tcc: ignore TC903
drive R {{ volumes = "{volumes}" }}
backup group g {{ agent A -> R {{ B1 <- home }} }}
"""


def text_of(
    schedule: str = "*-*-* 01:30", source: str = 'files = "/home"', volumes: str = "media/R", plan: str = ""
) -> str:
    return PLAN.format(schedule=schedule, source=source, volumes=volumes, plan=plan)


def compiled(text: str) -> CompiledPlan:
    compilation = compile_program("night.tc", MemoryWorld(files={"night.tc": text}))
    assert compilation.plan is not None, compilation.diagnostics
    return compilation.plan


def lines_of(unit: str) -> dict[str, str]:
    pairs = [line.split("=", 1) for line in unit.splitlines() if "=" in line and not line.startswith("#")]
    assert len({key for key, _ in pairs}) == len(pairs)
    return dict(pairs)


def test_the_service_runs_the_plan_and_the_timer_starts_it() -> None:
    units = to_units(compiled(text_of(plan=" window = 6h")), HERE)
    assert list(units) == ["tapechain-night.service", "tapechain-night.timer"]
    service, timer = map(lines_of, units.values())
    assert service["ExecStart"] == "/usr/bin/true run --progress none /srv/plans/night.tc"
    assert (service["Type"], service["KillMode"], service["TimeoutStartSec"]) == ("oneshot", "mixed", "infinity")
    assert "RuntimeMaxSec" not in service  # a run is never cut short
    assert (timer["OnCalendar"], timer["Persistent"]) == ("*-*-* 01:30", "true")
    assert timer["Unit"] == "tapechain-night.service"
    assert "window is 21600 s" in units["tapechain-night.service"]


def test_what_is_hardened_leaves_the_plan_what_it_needs() -> None:
    plain = lines_of(to_units(compiled(text_of()), HERE)["tapechain-night.service"])
    assert (plain["ProtectSystem"], plain["NoNewPrivileges"]) == ("full", "yes")
    in_etc = lines_of(to_units(compiled(text_of(volumes="/etc/../usr/media")), HERE)["tapechain-night.service"])
    assert "ProtectSystem" not in in_etc
    command = text_of(source='command = ["sudo", "-u", "postgres", "pg_dumpall"]')
    assert "NoNewPrivileges" not in lines_of(to_units(compiled(command), HERE)["tapechain-night.service"])
    for unit in (plain, in_etc):  # /home, /tmp, devices and all capabilities are what is backed up, and with what
        assert not unit.keys() & {"ProtectHome", "PrivateTmp", "PrivateDevices", "CapabilityBoundingSet", "User"}


def test_the_network_is_waited_for_only_where_the_plan_needs_it() -> None:
    assert "network-online" not in to_units(compiled(text_of()), HERE)["tapechain-night.service"]
    remote = text_of(plan=' catalog = "postgresql://db/tcc"')
    assert "Wants=network-online.target" in to_units(compiled(remote), HERE)["tapechain-night.service"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (text_of().replace('{ schedule = "*-*-* 01:30" }', ""), "has no `schedule`"),
        (text_of(schedule="daily\\nExecStart=/bin/sh"), "no calendar expression"),
        (text_of(schedule="02:00 %n"), "no calendar expression"),
        (text_of(source='stream = "-"'), "reads standard input"),
    ],
)
def test_a_plan_that_cannot_be_a_service_is_refused(text: str, said: str) -> None:
    with pytest.raises(NoUnits, match=said) as refused:
        to_units(compiled(text), HERE)
    assert refused.value.todo


def test_a_name_that_is_too_long_for_a_unit_is_refused() -> None:
    with pytest.raises(NoUnits, match="too long"):
        to_units(dataclasses.replace(compiled(text_of()), plan="-" * 70), HERE)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40))
def test_a_word_is_one_word_of_one_line(text: str) -> None:
    said = word(text)
    assert said.isascii()
    assert said.isprintable()
    assert read_back(said) == text.encode()


def read_back(said: str) -> bytes:
    """One word as systemd reads it: quotes, C escapes, then specifiers and variables (systemd.syntax(7))."""
    if said.startswith('"'):
        assert re.fullmatch(r'"(?:[^"\\]|\\["\\]|\\x[0-9a-f]{2})*"', said), said
        said = said[1:-1]
    else:
        assert not set(said) & set(" \t\"'\\;#"), said
    plain = re.sub(rb"\\x(..)|\\(.)", lambda m: bytes([int(m[1], 16)]) if m[1] else m[2], said.encode())
    assert plain.count(b"%") % 2 == plain.count(b"$") % 2 == 0
    return plain.replace(b"%%", b"%").replace(b"$$", b"$")


HOSTILE = [
    'x"\nExecStart=/bin/false\n[Install]\n%n $HOME `id` ; & | \\',
    "../../etc/cron.d/x",
    "naïve 日本\x1b[2J\u202e",
    ".hidden;-rf *",
    "%%i$$\\x41'",
]


@needs_analyze
@pytest.mark.parametrize("name", HOSTILE)
def test_systemd_accepts_hostile_names_and_runs_exactly_the_plan(tmp_path: Path, name: str) -> None:
    plan = dataclasses.replace(compiled(text_of()), plan=name)
    folder = "/srv/" + name.strip("/").replace("\0", "")
    units = to_units(
        plan, Invocation(("/usr/bin/true",), f"{folder}/n.tc", folder, {"site": name}, {"TCC_STATE": name})
    )
    for file, text in units.items():
        assert "/" not in file
        assert len(text.splitlines()) < 45
        (tmp_path / file).write_text(text)
        assert lines_of(text).get("ExecStart", "/usr/bin/true ").startswith("/usr/bin/true ")
    assert verified(tmp_path) == ""


def verified(folder: Path) -> str:
    """What ``systemd-analyze verify`` has against the units in *folder*."""
    done = subprocess.run(
        [ANALYZE or "", "verify", "--man=no", *sorted(map(str, folder.iterdir()))],
        capture_output=True,
        text=True,
        timeout=60,
    )
    lines = [line for line in (done.stdout + done.stderr).splitlines() if "tapechain" in line or str(folder) in line]
    return "\n".join(lines) or ("" if done.returncode == 0 else done.stderr)


@pytest.mark.skipif(ESCAPE is None, reason="there is no systemd-escape on this machine")
@pytest.mark.parametrize("name", [*HOSTILE, "night", "a-b_c:d.e", "/", "..", "ü"])
def test_unit_names_are_escaped_as_systemd_does(name: str) -> None:
    done = subprocess.run([ESCAPE or "", "--", name], capture_output=True, text=True, timeout=60, check=True)
    assert escaped_name(name) == done.stdout.removesuffix("\n")


# ---------------------------------------------------------------- the command


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TCC_STATE", raising=False)
    (tmp_path / "night.tc").write_text('param home = "/home"\n' + text_of(source='files = "${home}"'))
    return tmp_path


@needs_analyze
def test_the_units_of_the_command_are_verified_and_their_program_exists(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _main(["compile", "night.tc", "--emit", "systemd", "-o", "units", "-D", "home=/srv/a b"]) == 0
    assert sorted(p.name for p in (folder / "units").iterdir()) == ["tapechain-night.service", "tapechain-night.timer"]
    assert verified(folder / "units") == ""
    command = shlex.split(lines_of((folder / "units/tapechain-night.service").read_text())["ExecStart"])
    assert command[1:] == ["run", "--progress", "none", "-D", "home=/srv/a b", str(folder / "night.tc")]
    said = subprocess.run([*command, "--dry-run"], capture_output=True, text=True, timeout=60)
    assert (said.returncode, "/srv/a b" in said.stdout) == (0, True), said.stderr
    assert _main(["compile", "night.tc", "--emit", "systemd", "-o", "units", "-D", "home=/srv/a b", "--check"]) == 0
    assert _main(["compile", "night.tc", "--emit", "systemd", "-o", "units", "--check"]) == 1
    assert "tapechain-night.service is not what" in capsys.readouterr().err


@needs_analyze
def test_a_schedule_that_systemd_does_not_understand_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "night.tc").write_text(text_of(schedule="25:99"))
    assert _main(["compile", "night.tc", "--emit", "json,systemd", "-o", "out"]) == 2
    assert "systemd does not understand the schedule '25:99'" in capsys.readouterr().err
    assert not (folder / "out").exists()


def test_no_schedule_no_folder_and_standard_input_are_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _main(["compile", "night.tc", "--emit", "systemd", "-o", "-"]) == 2
    assert "-o FOLDER" in capsys.readouterr().err
    (folder / "night.tc").write_text(text_of().replace('{ schedule = "*-*-* 01:30" }', ""))
    assert _main(["compile", "night.tc", "--emit", "systemd"]) == 2
    assert "has no `schedule`" in capsys.readouterr().err
    assert sorted(p.name for p in folder.iterdir()) == ["night.tc"]


def test_the_state_folder_of_the_shell_goes_with_the_service(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TCC_STATE", "st ate")
    assert _main(["compile", "night.tc", "--emit", "systemd"]) == 0
    assert f'Environment="TCC_STATE={folder}/st ate"' in (folder / "tapechain-night.service").read_text()
