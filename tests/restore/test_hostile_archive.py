"""A hostile files object never writes outside the folder, whatever the folder holds already. With the real tar."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(60)


def member(name: str, data: bytes = b"", **attributes: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.uid, info.gid = os.getuid(), os.getgid()
    for key, value in attributes.items():
        setattr(info, key, value)
    return info, data


def link(name: str, to: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, type=tarfile.SYMTYPE, linkname=to)


def hard(name: str, to: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, type=tarfile.LNKTYPE, linkname=to)


def folder(name: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, type=tarfile.DIRTYPE, mode=0o755)


def tricks(outside: Path) -> list[tuple[tarfile.TarInfo, bytes]]:
    """Every way out that we know; ``outside`` is a folder beside the target."""
    up = "../outside"
    return [
        member(f"{outside}/evil", b"x"),
        member(f"{up}/evil", b"x"),
        member(f"in/../{up}/evil", b"x"),
        member("x", b"x", pax_headers={"path": f"{up}/evil"}),
        member("y", b"x", pax_headers={"GNU.sparse.name": f"{up}/evil", "GNU.sparse.major": "1"}),
        link("absolute", str(outside)),
        member("absolute/evil", b"x"),
        folder("absolute/evil-folder"),
        link("relative", up),
        member("relative/evil", b"x"),
        link("one", "."),
        link("one/two", ".."),
        member("one/two/outside/evil", b"x"),
        link("chain1", "chain2"),
        link("chain2", str(outside)),
        member("chain1/evil", b"x"),
        hard("thief", f"{outside}/secret"),
        hard("thief2", f"{up}/secret"),
        hard("thief3", "absolute/secret"),
        hard("again", "absolute"),
        member("again/evil", b"x"),
        link("swap", str(outside)),
        folder("swap"),
        member("swap/evil", b"x"),
        folder("real"),
        link("real", str(outside)),
        member("real/evil", b"x"),
        member("./absolute/./evil", b"x"),
        member("absolute//evil", b"x"),
        member("good/file", b"good"),
    ]


def untouched(outside: Path) -> None:
    assert sorted(p.name for p in outside.iterdir()) == ["secret"]
    assert (outside / "secret").read_bytes() == b"secret"
    assert (outside / "secret").stat().st_nlink == 1
    assert (outside / "secret").stat().st_mode & 0o777 == 0o600


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    place = tmp_path / "outside"
    place.mkdir()
    (place / "secret").write_bytes(b"secret")
    (place / "secret").chmod(0o600)
    return place


def test_all_tricks_at_once_into_a_fresh_folder(world: Any, support: Any, outside: Path, tmp_path: Path) -> None:
    world.run({"D": support.Item(support.archive(tricks(outside)), "files")})
    result = world.back("D", tmp_path / "to")
    untouched(outside)
    assert result.status == "degraded"
    assert result.exit_code == 3
    assert (tmp_path / "to" / "good" / "file").read_bytes() == b"good"
    assert any("absolute name" in p for p in result.problems)


@pytest.mark.parametrize("trick", range(29))
def test_each_trick_alone_is_named_or_harmless(
    world: Any, support: Any, outside: Path, tmp_path: Path, trick: int
) -> None:
    chosen = tricks(outside)
    world.run({"D": support.Item(support.archive([chosen[trick], chosen[-1]]), "files")})
    world.back("D", tmp_path / "to")
    untouched(outside)
    assert (tmp_path / "to" / "good" / "file").read_bytes() == b"good"


def test_links_that_the_folder_holds_are_not_followed(world: Any, support: Any, outside: Path, tmp_path: Path) -> None:
    to = tmp_path / "to"
    (to / "deep").mkdir(parents=True)
    (to / "away").symlink_to(outside)
    (to / "deep" / "away").symlink_to("../../outside")
    (to / "file").symlink_to(outside / "secret")
    (to / "dangling").symlink_to(outside / "evil")
    members = [
        folder("away"),
        member("away/evil", b"x"),
        folder("away/folder"),
        member("deep/away/evil", b"x"),
        member("file", b"a plain file takes the place of the link"),
        member("dangling", b"so does this"),
        hard("stolen", "away/secret"),
        hard("twin", "away"),
        member("twin/evil", b"x"),
        link("step", "away"),
        member("step/evil", b"x"),
        member("good", b"good"),
    ]
    world.run({"D": support.Item(support.archive(members), "files")})
    result = world.back("D", to, overwrite=True)
    untouched(outside)
    assert result.status == "degraded"
    assert (to / "file").read_bytes().startswith(b"a plain file")
    assert not (to / "file").is_symlink()
    assert (to / "good").read_bytes() == b"good"
    assert not (to / "stolen").exists()


def test_a_stream_does_not_follow_links_either(world: Any, outside: Path, tmp_path: Path) -> None:
    to = tmp_path / "to"
    to.mkdir()
    (to / "D").symlink_to(outside / "secret")
    (to / "D.partial").symlink_to(outside / "secret")
    world.run({"D": b"data"})
    assert world.back("D", to, overwrite=True).status == "ok"
    untouched(outside)
    assert (to / "D").read_bytes() == b"data"
    assert not (to / "D").is_symlink()


def test_the_name_of_a_source_cannot_leave_the_folder(world: Any, outside: Path, tmp_path: Path) -> None:
    world.run({"../outside/secret": b"data"})
    to = tmp_path / "to"
    assert world.back("../outside/secret", to).status == "ok"
    untouched(outside)
    assert [p.name for p in to.iterdir()] == ["..%2Foutside%2Fsecret"]


def test_a_garbage_archive_is_a_named_loss(world: Any, support: Any, tmp_path: Path) -> None:
    world.run({"D": support.Item(os.urandom(300 * 512), "files")})
    result = world.back("D", tmp_path / "to")
    assert result.status == "failed"
    assert result.exit_code == 1
    assert "not sound" in result.problems[0]
    assert list((tmp_path / "to").iterdir()) == []
