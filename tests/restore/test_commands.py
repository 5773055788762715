"""The commands as a user has them: exit codes, JSON, words; and life without them."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tapechain.cli.main import _main
from tapechain.runtime.kinds import sources_named
from tapechain.runtime.media.volume import open_volume
from tapechain.runtime.model import Ending

pytestmark = pytest.mark.timeout(100)


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


def spoken(done: Done) -> Done:
    assert "Traceback" not in done.err + done.out, done.err
    assert "internal error" not in done.err, done.err
    return done


@pytest.fixture
def tcc(world: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Any:
    """The command in this process: what the installed one does but for the interpreter's start."""
    monkeypatch.chdir(world.folder)
    monkeypatch.setenv("CI", "1")

    def call(*arguments: str | Path, state: Path | None = None) -> Done:
        monkeypatch.setenv("TCC_STATE", str(state or world.state))
        code = _main([str(a) for a in arguments])
        return spoken(Done(code, *capfd.readouterr()))

    return call


@pytest.fixture
def installed(world: Any) -> Any:
    """The installed command, as a process."""
    command = Path(sys.executable).with_name("tcc")
    if not command.exists():
        pytest.skip("tcc is not installed beside this Python")

    def call(*arguments: str | Path) -> Done:
        run = subprocess.run(
            [command, *map(str, arguments)],
            cwd=world.folder,
            env={**os.environ, "TCC_STATE": str(world.state), "CI": "1"},
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )
        return spoken(Done(run.returncode, run.stdout, run.stderr))

    return call


def test_the_installed_command(world: Any, support: Any, installed: Any, tmp_path: Path) -> None:
    ids = world.run({"D": b"x" * 200_000})
    assert installed("restore", "D", "--to", "a").code == 0
    assert (tmp_path / "a" / "D").read_bytes() == b"x" * 200_000
    assert installed("restore", "D", "--to", "a").code == 1
    assert installed("restore", "nothing", "--to", "b").code == 2
    assert installed("verify").code == 0
    support.flip(world.volumes()[0], support.positions(world.volumes()[0], ids["D"])[2][0] + 1600)
    assert installed("restore", "D", "--to", "c").code == 3
    assert installed("verify", "D").code == 1
    assert installed("catalog", "rebuild", "media").code == 0


def test_exit_codes_of_restore(world: Any, support: Any, tcc: Any, tmp_path: Path) -> None:
    ids = world.run({"D": b"x" * 200_000, "E": b"e", "F": support.Item(b"f", ending=Ending("failed"))})
    assert tcc("restore", "D", "--to", "a").code == 0
    assert (tmp_path / "a" / "D").read_bytes() == b"x" * 200_000
    full = tcc("restore", "E", "--to", "a")
    assert (full.code, sorted(p.name for p in (tmp_path / "a").iterdir())) == (1, ["D"])
    assert "--overwrite" in full.err
    assert tcc("restore", "E", "--to", "a", "--overwrite").code == 0
    assert tcc("restore", "F", "--to", "b").code == 1
    assert tcc("restore", "F", "--to", "b", "--object", ids["F"]).code == 1
    assert tcc("restore", "D", "--to", "b", "--object", ids["E"]).code == 2
    assert tcc("restore", "nothing", "--to", "b").code == 2
    assert tcc("restore", "D").code == 2
    assert tcc("restore", "D", "--to", "b", "--as-of", "soon").code == 2
    assert tcc("restore", "D", "--to", "b", state=tmp_path / "none").code == 1
    support.flip(world.volumes()[0], support.positions(world.volumes()[0], ids["D"])[2][0] + 1600)
    part = tcc("restore", "D", "--to", "c")
    assert part.code == 3
    assert "record 2 is lost" in part.err
    assert "D.partial" in part.err
    assert [p.name for p in (tmp_path / "c").iterdir()] == ["D.partial"]
    assert not (tmp_path / "b").exists()


def test_a_dry_run_lists_the_volumes_and_touches_nothing(world: Any, tcc: Any, tmp_path: Path) -> None:
    world.run({"D": os.urandom(500_000)}, ("R1", "R2"), capacity=300_000)
    done = tcc("restore", "D", "--to", "to", "--dry-run")
    assert done.code == 0
    for volume in world.volumes("R1"):
        assert volume.stem in done.out
    assert "500000" in done.out
    assert not (tmp_path / "to").exists()


def test_restore_from_volumes_alone_with_no_state_at_all(world: Any, tcc: Any, tmp_path: Path) -> None:
    data = os.urandom(400_000)
    world.run({"D": data}, ("R1", "R2"), capacity=300_000)
    none = tmp_path / "none"
    for number, given in enumerate(([world.magazine("R1")], world.volumes("R2"), [tmp_path / "media"])):
        arguments = [a for g in given for a in ("--from", g)]
        assert tcc("restore", "D", "--to", f"to{number}", *arguments, state=none).code == 0
        assert (tmp_path / f"to{number}" / "D").read_bytes() == data
    assert not none.exists()
    assert tcc("restore", "D", "--to", "x", "--from", world.volumes("R1")[0], state=none).code == 1
    assert tcc("restore", "D", "--to", "x", "--from", tmp_path / "nowhere", state=none).code == 2


def test_a_folder_without_volumes_is_never_called_sound(world: Any, tcc: Any, tmp_path: Path) -> None:
    """The mount point of a disk that is not mounted; a folder that bears a source's name."""
    world.run({"D": b"data"})
    (tmp_path / "D").mkdir()
    for named in (("verify", "D"), ("verify", tmp_path / "D"), ("verify", world.magazine("R1"), tmp_path / "D")):
        done = tcc(*named)
        assert done.code == 2
        assert "nothing was verified" in done.err
        assert "sound" not in done.out + done.err
    (source,) = {f"{o['plan']}/{o['source']}" for o in json.loads(tcc("objects", "--json").out)}
    assert tcc("verify", source).code == 0
    done = tcc("restore", "D", "--from", tmp_path / "D", "--to", "to", state=tmp_path / "none")
    assert done.code == 2
    assert "no volume that can be read" in done.err
    assert "mounted" in done.err
    assert not (tmp_path / "to").exists()


def test_exit_codes_and_json_of_verify(world: Any, support: Any, tcc: Any) -> None:
    item = support.Item
    ids = world.run(
        {
            "D": os.urandom(300_000),
            "cut": item(os.urandom(300_000), only={"R2": 2}),
            "bad": item(b"x", ending=Ending("failed")),
        },
        ("R1", "R2"),
    )
    good = tcc("verify", "--json")
    result = json.loads(good.out)
    assert (good.code, result["status"]) == (0, "sound")
    assert {o["source"]: o["status"] for o in result["objects"]} == {"D": "sound", "cut": "sound", "bad": "known"}
    assert tcc("verify", "D").code == 0
    (volume,) = world.volumes("R1")
    support.flip(volume, support.positions(volume, ids["D"])[1][0] + 1600)
    for target in ("R1-000001", volume, world.magazine("R1"), world.folder / "media", "D", "night/D"):
        done = tcc("verify", target)
        assert done.code == 1, target
        assert "digest is wrong" in done.out
    assert "other copies were not read" in tcc("verify", "R1-000001").out
    (alone,) = [o for o in json.loads(tcc("verify", "R1-000001", "--json").out)["objects"] if o["source"] == "D"]
    assert {c["drive"]: c["status"] for c in alone["copies"]} == {"R1": "damaged", "R2": "unread"}
    assert "every record is left" in tcc("verify", "D").out
    assert tcc("verify", "R2-000001").code == 0
    assert tcc("verify", "cut").code == 0
    result = json.loads(tcc("verify", "--json").out)
    assert {o["source"]: o["status"] for o in result["objects"]} == {"D": "damaged", "cut": "sound", "bad": "known"}
    world.volumes("R2")[0].unlink()
    lost = tcc("verify", "--json")
    result = json.loads(lost.out)
    assert lost.code == 1
    assert {v["name"]: v["status"] for v in result["volumes"]} == {"R1-000001": "damaged", "R2-000001": "missing"}
    assert {o["source"]: o["status"] for o in result["objects"]} == {"D": "lost", "cut": "sound", "bad": "known"}
    assert tcc("verify", "unknown").code == 2


def test_verify_finds_what_the_catalog_lacks(world: Any, tcc: Any, tmp_path: Path) -> None:
    world.run({"D": b"first"})
    shutil.copy(world.catalog_path, tmp_path / "old.sqlite")
    world.run({"D": b"second"})
    world.run({"E": b"third"}, ("R2",))
    done = tcc("verify", "--catalog", tmp_path / "old.sqlite")
    assert done.code == 1
    assert "is not in the catalog" in done.out
    unknown = tcc("verify", world.magazine("R2"), "--catalog", tmp_path / "old.sqlite")
    assert unknown.code == 1
    assert "does not know this volume" in unknown.out
    assert tcc("verify", world.folder / "media", state=tmp_path / "none").code == 0


def test_verify_of_a_torn_volume(world: Any, support: Any, tcc: Any) -> None:
    ids = world.run({"D": os.urandom(300_000)})
    (volume,) = world.volumes()
    at, size = support.positions(volume, ids["D"])[3]
    os.truncate(volume, at + size // 2)
    assert tcc("verify").code == 1
    volume.write_bytes(volume.read_bytes()[:100])
    done = tcc("verify", volume)
    assert done.code == 1


def test_rebuild_by_command(world: Any, tcc: Any, tmp_path: Path) -> None:
    world.run({"D": os.urandom(700_000)}, capacity=300_000)
    before = [tcc(c, "--json").out for c in ("objects", "volumes", "sessions")]
    shutil.rmtree(world.state)
    assert tcc("objects").code == 1
    assert tcc("catalog", "rebuild", "media").code == 0
    assert [tcc(c, "--json").out for c in ("objects", "volumes", "sessions")] == before
    assert tcc("catalog", "rebuild", "media", "--into", f"sqlite:///{tmp_path}/other.sqlite").code == 0
    assert tcc("objects", "--json", "--catalog", tmp_path / "other.sqlite").out == before[0]
    world.volumes()[1].write_bytes(b"gone")
    part = tcc("catalog", "rebuild", "media")
    assert part.code == 3
    assert "R1-000002.tar" in part.err
    assert tcc("catalog", "rebuild", "nowhere").code == 2
    assert tcc("catalog", "rebuild").code == 2


def test_json_has_the_keys_of_the_contract(world: Any, support: Any, tcc: Any) -> None:
    world.run({"D": os.urandom(500_000), "E": support.Item(b"", ending=Ending("failed"))}, capacity=300_000)
    objects = json.loads(tcc("objects", "--json").out)
    keys = {"source", "object", "plan", "session", "started", "kind", "bytes", "records", "status", "copies"}
    assert all(o.keys() == keys for o in objects)
    assert all(c.keys() == {"drive", "agent", "volumes", "status"} for o in objects for c in o["copies"])
    volumes = json.loads(tcc("volumes", "--json").out)
    keys = {"name", "uuid", "drive", "pool", "location", "bytes", "objects", "sessions", "expires", "status"}
    assert all(v.keys() == keys for v in volumes)
    assert [v["status"] for v in volumes] == ["full"] * (len(volumes) - 1) + ["open"]
    (session,) = json.loads(tcc("sessions", "--json").out)
    assert session.keys() == {"session", "plan", "started", "seconds", "status", "objects"}
    assert {o["source"]: [v for c in o["copies"] for v in c["volumes"]] for o in objects}["D"] == [
        v["uuid"] for v in volumes
    ]


def test_names_of_a_medium_cannot_speak_to_the_terminal(world: Any, tcc: Any) -> None:
    world.run({"\x1b[31mred\nline": b"x"}, plan="p\x1b]0;title\x07")
    for command in (("objects",), ("sessions",), ("volumes",), ("restore", "nothing", "--to", "x")):
        done = tcc(*command)
        assert "\x1b" not in done.out + done.err
        assert "\x07" not in done.out + done.err


@pytest.mark.parametrize("tool", ["GNU tar", "bsdtar"])
def test_the_label_s_commands_bring_everything_back(world: Any, support: Any, tmp_path: Path, tool: str) -> None:
    if tool == "bsdtar" and shutil.which("bsdtar") is None:
        pytest.skip("bsdtar is not installed")
    tree = tmp_path / "tree"
    tree.mkdir()
    for n in range(20):
        (tree / f"f{n}").write_bytes(os.urandom(n * 999))
    archive = subprocess.run(
        ["tar", "--create", "--format=posix", "-b", "512", "-f", "-", "-C", str(tmp_path), "tree"],
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    data = os.urandom(500_000)
    ids = world.run({"odd name": data, "tree": support.Item(archive, "files")})
    (volume,) = world.volumes()
    with open_volume(volume) as reader:
        recover = reader.label.recover

    def shell(use: str, source: str) -> None:
        for template in recover[f"{use} ({tool})"]:
            line = template.replace("SOURCE", source).replace("OBJECT", ids[source.replace("%20", " ")])
            subprocess.run(["sh", "-c", line], cwd=volume.parent, check=True, timeout=60)

    shell("object", "odd%20name")
    assert (volume.parent / f"{ids['odd name']}.data").read_bytes() == data
    shell("files", "tree")
    assert (
        subprocess.run(
            ["diff", "-r", str(tree), str(volume.parent / f"{ids['tree']}.files" / "tree")], check=False
        ).returncode
        == 0
    )


@pytest.mark.parametrize(
    "words",
    [
        ("restore", "a/b/c", "--to", "back"),
        ("files", "a/b/c"),
        ("objects", "--source", "a/b/c"),
        ("verify", "a/b/c"),
        ("draft", "restore", "a/b/c", "--to", "back"),
        ("draft", "demultiplex", "a/b/c", "--to", "new"),
        ("volume", "recycle", "R1-000001", "--dry-run", "--give-up", "a/b/c"),
    ],
)
def test_a_name_that_can_mean_two_sources_is_shown_with_a_command_for_each(
    world: Any, tcc: Any, words: tuple[str, ...]
) -> None:
    world.run({"c": b"one"}, plan="a/b")
    world.run({"b/c": b"two"}, plan="a")
    refused = tcc(*words)
    assert refused.code == 2 and "source b/c of plan a, source c of plan a/b" in refused.err
    shown = [line.partition("do:")[2].strip() for line in refused.err.splitlines() if "do:" in line]
    assert [shlex.split(line, comments=True) for line in shown] == [
        ["tcc", *(only if word == "a/b/c" else word for word in words)] for only in ("a/b%2Fc", "a%2Fb/c")
    ]
    for line, content, place in zip(shown, (b"two", b"one"), ("b%2Fc", "c"), strict=True):
        done = tcc(*shlex.split(line, comments=True)[1:])
        assert "means" not in done.err
        if words[0] in {"restore", "objects", "verify"}:
            assert done.code == 0, done.err
        if words[0] == "restore":
            assert (world.folder / "back" / place).read_bytes() == content
            shutil.rmtree(world.folder / "back")
        if words[:2] == ("draft", "restore"):
            (world.folder / "draft.tc").write_text(done.out)
            assert tcc("run", "draft.tc").code == 0
            assert (world.folder / "back" / place).read_bytes() == content


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("a/b/c", [("a", "b/c"), ("a/b", "c")]),
        ("a%2Fb/c", [("a/b", "c")]),
        ("a/b%2Fc", [("a", "b/c")]),
        ("p%2Fq/odd / name", [("p/q", "odd / name")]),
        ("p/q/odd %2F name", [("p/q", "odd / name")]),
        ("odd %2F name", [("p/q", "odd / name")]),
        ("%2F", [("p", "%2F")]),
        ("p/%2F", [("p", "/")]),
        ("p/%252F", [("p", "%2F")]),
        ("a%2Fb", []),
    ],
)
def test_a_source_is_meant_by_its_names_escaped_or_not(text: str, meant: list[tuple[str, str]]) -> None:
    known = [("a", "b/c"), ("a/b", "c"), ("p/q", "odd / name"), ("p", "%2F"), ("p", "/")]
    found = sources_named(known, text)
    assert sorted(found) == sorted(meant)
