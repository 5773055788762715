"""Archives of incrementals that lie: nothing outside the folder is touched, and the fault is named."""

import io
import os
import tarfile
from pathlib import Path

import pytest
from tapechain.runtime.restore.changes import Changes
from tapechain.runtime.restore.folder import TargetFolder, open_target
from tapechain.runtime.restore.headers import Unsound
from tapechain.runtime.restore.sinks import Outcome
from tapechain.runtime.restore.tar_sink import TarSink

pytestmark = pytest.mark.timeout(60)

Member = tuple[str, bytes, dict[str, str]]


def folder(name: str, listed: str) -> Member:
    return name, tarfile.DIRTYPE, {"GNU.dumpdir": listed}


def archive(*members: Member | tuple[str, bytes, str]) -> bytes:
    """A pax archive; a third part that is text is a file's content or a link's target."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as made:
        for name, kind, more in members:
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = kind, 0o755
            if isinstance(more, dict):
                entry.pax_headers = more
                made.addfile(entry)
            elif kind == tarfile.REGTYPE:
                entry.size = len(more)
                made.addfile(entry, io.BytesIO(more.encode()))
            else:
                entry.linkname = more
                made.addfile(entry)
    return stream.getvalue()


@pytest.fixture
def target(tmp_path: Path):
    outside = tmp_path / "outside"
    (outside / "sub").mkdir(parents=True)
    (outside / "sub" / "precious").write_text("kept")
    with open_target(tmp_path / "to", overwrite=False) as opened:
        yield opened


def extract(target: TargetFolder, data: bytes, *, first: bool = False, piece: int = 1024) -> tuple[Outcome, Changes]:
    changes = Changes(target)
    place = TargetFolder(target.path, target.fd, fresh=first)
    sink = TarSink(place, changes=None if first else changes, folders=not first)
    wanted = True
    for at in range(0, len(data), piece):
        wanted = wanted and sink.write(memoryview(bytearray(data[at : at + piece])))
    return sink.finish(), changes


def intact(target: TargetFolder) -> None:
    outside = target.path.parent / "outside"
    assert (outside / "sub" / "precious").read_text() == "kept"
    assert sorted(p.name for p in outside.rglob("*")) == ["precious", "sub"]
    assert sorted(p.name for p in target.path.parent.iterdir()) == ["outside", "to"]


BAD_LISTS = [
    "Y../outside\0\0",
    "D..\0\0",
    "Y/etc/passwd\0\0",
    "Ya/b\0\0",
    "Q\0\0",
    "Qx\0\0",
    "Yx",
    "T../outside\0\0",
    "R../outside\0Tstolen\0\0",
    "R/etc\0Tstolen\0\0",
    "Rd/e\0T../outside/moved\0\0",
    "Rd/e\0T/tmp/moved\0\0",
    "Rd\0Td/e/f\0\0",
    "Rd/e\0Td\0\0",
    "Rd/../d\0Tx\0\0",
    "Rd\0T.\0\0",
]


@pytest.mark.parametrize("listed", BAD_LISTS)
def test_lists_that_no_backup_makes_end_the_restore(listed: str, target: TargetFolder) -> None:
    extract(
        target, archive(folder("d", "De\0\0"), folder("d/e", "Yf\0\0"), ("d/e/f", tarfile.REGTYPE, "f")), first=True
    )
    outcome, _ = extract(target, archive(folder("d", listed), ("d/new", tarfile.REGTYPE, "new")))
    assert any("not sound" in problem for problem in outcome.problems), outcome
    assert (target.path / "d" / "e" / "f").read_text() == "f" and not (target.path / "d" / "new").exists()
    intact(target)


def test_hostile_lists_reach_nothing_outside(target: TargetFolder) -> None:
    """The first archive leaves real links; the next ones try to delete, move and write through them."""
    links = [
        folder(".", "Yaway\0Ddeep\0\0"),
        folder("deep", "Yaway\0Yup\0\0"),
        ("away", tarfile.SYMTYPE, "../outside"),
        ("deep/away", tarfile.SYMTYPE, str(target.path.parent / "outside")),
        ("deep/up", tarfile.SYMTYPE, ".."),
    ]
    outcome, _ = extract(target, archive(*links), first=True)
    assert outcome.problems == () and (target.path / "away" / "sub").is_dir()
    for members in (
        [folder("away", "\0")],
        [folder("away/sub", "\0")],
        [folder("deep", "Yaway\0Yup\0Raway/sub\0Tstolen\0\0")],
        [folder("deep", "Yaway\0Yup\0Rdeep/away/sub\0Tstolen\0\0")],
        [folder("deep", "Yaway\0Yup\0Raway\0Tstolen\0\0")],
        [folder("deep", "Daway\0Yup\0\0"), folder("deep/away", "\0"), ("deep/away/new", tarfile.REGTYPE, "x")],
        [folder("deep", "Rdeep\0Tmoved\0\0"), ("moved/away/new", tarfile.REGTYPE, "x")],
        [folder("moved", "Rmoved\0Taway/moved\0\0")],
        [("l", tarfile.SYMTYPE, "away"), folder("moved", "Rmoved\0Tback\0\0"), ("l/new", tarfile.REGTYPE, "x")],
    ):
        extract(target, archive(*members))
        intact(target)


def test_folders_set_aside_do_not_go_through_links_that_come_later(target: TargetFolder) -> None:
    """A folder first, then a link in its place: the second tar must not set the outside's mode."""
    mode = (target.path.parent / "outside").stat().st_mode
    listed = [folder("d", "Yx\0\0"), ("d", tarfile.SYMTYPE, "../outside"), ("e", tarfile.REGTYPE, "e")]
    data = archive(*listed)
    extract(target, data, first=True)
    extract(target, data)
    assert (target.path.parent / "outside").stat().st_mode == mode
    intact(target)


def test_renames_as_tar_makes_them(target: TargetFolder) -> None:
    """A swap over a temporary place, and a move on to a folder that is there and goes: GNU tar fails at both."""
    members = [folder(".", "Da\0Db\0Dc\0Dd\0\0")]
    for name in "abcd":
        members += [folder(name, f"Y{name}\0\0"), (f"{name}/{name}", tarfile.REGTYPE, name)]
    extract(target, archive(*members), first=True)
    swap = "Da\0Db\0Dd\0X.\0Ra\0T\0Rb\0Ta\0R\0Tb\0Rc\0Td\0\0"
    after = [folder(".", swap), folder("a", "Nb\0\0"), folder("b", "Na\0\0"), folder("d", "Nc\0\0")]
    outcome, _ = extract(target, archive(*after))
    assert outcome.problems == ()
    assert {str(p.relative_to(target.path)): p.read_text() for p in target.path.rglob("*") if p.is_file()} == {
        "a/b": "b",
        "b/a": "a",
        "d/c": "c",
    }


def test_a_very_deep_tree_is_removed(target: TargetFolder) -> None:
    at = os.open(target.path, os.O_DIRECTORY)
    for n in range(1200):
        os.mkdir("d" if n else "deep", dir_fd=at)
        below = os.open("d" if n else "deep", os.O_DIRECTORY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)
    changes = Changes(target)
    changes.apply(b".", b"\0", renames=True)
    assert changes.problems == [] and list(target.path.iterdir()) == []
    assert changes.removed == 1200


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may enter a folder without rights")
def test_a_folder_without_rights_is_purged_all_the_same(target: TargetFolder) -> None:
    (target.path / "d" / "shut").mkdir(parents=True)
    (target.path / "d" / "shut" / "f").write_text("x")
    (target.path / "d" / "shut").chmod(0)
    (target.path / "d").chmod(0o500)
    changes = Changes(target)
    changes.apply(b"d", b"\0", renames=True)
    assert changes.problems == [] and list((target.path / "d").iterdir()) == []


def test_what_a_new_file_system_holds_is_no_ones_to_delete(target: TargetFolder) -> None:
    (target.path / "lost+found").mkdir()
    (target.path / "gone").write_text("x")
    changes = Changes(target)
    changes.apply(b".", b"\0", renames=True)
    assert [p.name for p in target.path.iterdir()] == ["lost+found"]
    with pytest.raises(Unsound):
        changes.apply(b".", b"Rlost+found\0T../x\0\0", renames=False)
