"""``tcc volume show``: what a volume is, in words and in JSON; nothing that lies there can harm a terminal."""

import json
import os
import re
from pathlib import Path

import pytest
from media_world import ROOM, Job, World
from tapechain.cli.main import main
from tapechain.runtime.model import Ending


def tcc(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert isinstance(stop.value.code, int)
    return stop.value.code, out, err


@pytest.fixture
def volume(world: World) -> Path:
    session = world.session(3, plan="night\x1b[31m")
    hostile = world.facts(session, "D1\x1b]0;x\x07")
    plain = world.facts(session, "D2")
    warnings = ("\x1b[2J: changed", "na\udcffme: changed")
    Job({hostile: b"a" * (2 * ROOM), plain: b""}, {hostile: Ending("whole", warnings)}).run(world.drive(), session)
    return world.volumes()[0]


def test_a_volume_is_shown_in_harmless_words(volume: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = tcc(capsys, "volume", "show", volume)
    assert (code, err) == (0, "")
    assert "R1-000001" in out
    assert "whole" in out
    assert "tar -xOf R1-000001.tar" in out
    assert re.search(r"[\x00-\x08\x0b-\x1f\x7f]", out) is None
    out.encode()


def test_a_volume_is_shown_as_json(volume: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = tcc(capsys, "volume", "show", volume, "--json")
    assert code == 0
    out.encode()
    (shown,) = json.loads(out)
    assert (shown["name"], shown["drive"], shown["bytes"]) == ("R1-000001", "R1", volume.stat().st_size)
    (session,) = shown["sessions"]
    assert (session["number"], session["state"]) == (3, "ended")
    assert [(o["source"], o["bytes"], o["status"]) for o in session["objects"]] == [
        ("D1\x1b]0;x\x07", 2 * ROOM, "whole"),
        ("D2", 0, "whole"),
    ]
    assert shown["recover"]["list"] == ["tar -tf R1-000001.tar"]


def test_a_torn_volume_says_so_and_its_exit_code_too(volume: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.truncate(volume, 100_000)
    code, out, _ = tcc(capsys, "volume", "show", volume)
    assert code == 1
    assert "without an index" in out
    assert "cut-off" in out
    assert "at byte 83456" in out


def test_what_is_no_volume_is_a_fault_and_the_others_are_shown(
    volume: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "R1-000009.tar"
    other.write_bytes(b"\x1b[31m")
    code, out, err = tcc(capsys, "volume", "show", other, volume)
    assert code == 1
    assert "R1-000001" in out
    assert "too small" in err
    assert "R1-000009" in err
