"""A volume is an archive that any tar reads, with the very commands that its label gives (media.md)."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from media_world import ROOM, Job, World
from tapechain.runtime.model import Ending, ObjectFacts

GNU_TAR = "tar"
TARS = [
    pytest.param(GNU_TAR, id="GNU tar"),
    pytest.param(
        "bsdtar",
        id="bsdtar",
        marks=pytest.mark.skipif(shutil.which("bsdtar") is None, reason="bsdtar is not installed"),
    ),
]


@pytest.fixture(autouse=True)
def _needs_gnu_tar() -> None:
    version = subprocess.run(["tar", "--version"], capture_output=True, text=True).stdout
    if "GNU tar" not in version:
        pytest.skip("tar is not GNU tar")


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    return subprocess.run(["sh", "-ec", command], cwd=folder, capture_output=True, timeout=60, env=environment)


def recover(path: Path, use: str, facts: ObjectFacts, member: str) -> subprocess.CompletedProcess[bytes]:
    """Run the commands for *use* as the label gives them, SOURCE and OBJECT filled in as ``tar -t`` shows them."""
    label = json.loads(
        subprocess.run([GNU_TAR, "-xOf", path, "tapechain.json"], capture_output=True, check=True).stdout
    )
    source = member.split("/", maxsplit=1)[0]
    lines = [line.replace("SOURCE", source).replace("OBJECT", facts.id) for line in label["recover"][use]]
    done = shell("\n".join(lines), path.parent)
    return done


def members(path: Path, program: str) -> list[str]:
    done = subprocess.run([program, "-tf", path], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@pytest.mark.parametrize("program", TARS)
def test_volumes_are_listed_and_extracted_without_a_word(world: World, program: str, tmp_path: Path) -> None:
    for number in (1, 2, 3):
        session = world.session(number)
        Job({world.facts(session, "D1"): b"a" * (ROOM + 7), world.facts(session, "D2"): b""}).run(
            world.drive(), session
        )
        (path,) = world.volumes()
        names = members(path, program)
        assert names[0] == "tapechain.json"
        assert len(names) == 1 + number * (3 + 2)
        target = tmp_path / f"out{number}"
        target.mkdir()
        done = subprocess.run([program, "-xf", path, "-C", target], capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
        assert sum(file.stat().st_size for file in (target / "D1").rglob("*") if file.is_file()) == number * (ROOM + 7)


@pytest.mark.parametrize("program", TARS)
@pytest.mark.parametrize(
    "source", ["D1", "-x", "web 01/ä", "'; rm -rf $HOME #", "*", "[a-z]?", "a\nb", "..", "index", "%41", "\\n"]
)
def test_interleaved_objects_come_back_with_the_labels_own_commands(world: World, program: str, source: str) -> None:
    session = world.session()
    streams = {
        world.facts(session, source): os.urandom(3 * ROOM + 123),
        world.facts(session, "other"): os.urandom(2 * ROOM),
        world.facts(session, source + "x"): b"",
    }
    Job(streams).run(world.drive(), session)
    (path,) = world.volumes()
    names = members(path, program)
    use = f"object ({'GNU tar' if program == GNU_TAR else 'bsdtar'})"
    for facts, data in streams.items():
        member = next(name for name in names if facts.id in name)
        done = recover(path, use, facts, member)
        assert (done.returncode, done.stderr) == (0, b"")
        assert (path.parent / f"{facts.id}.data").read_bytes() == data


@pytest.mark.parametrize("program", TARS)
def test_a_tree_comes_back_with_the_labels_own_commands(world: World, program: str, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub" / "file").write_bytes(os.urandom(200_000))
    (tree / "link").symlink_to("sub/file")
    archive = subprocess.run([GNU_TAR, "-cf", "-", "--format=posix", "-C", tree, "."], capture_output=True, check=True)
    session = world.session()
    facts = world.facts(session, "home")
    Job({facts: archive.stdout, world.facts(session, "D2"): b"z" * 100_000}).run(world.drive(), session)
    (path,) = world.volumes()
    done = recover(path, f"files ({'GNU tar' if program == GNU_TAR else 'bsdtar'})", facts, "home/")
    assert (done.returncode, done.stderr) == (0, b"")
    back = path.parent / f"{facts.id}.files"
    assert (back / "sub" / "file").read_bytes() == (tree / "sub" / "file").read_bytes()
    assert (back / "link").readlink() == Path("sub/file")


@pytest.mark.parametrize("program", TARS)
def test_attributes_of_files_come_back_with_the_labels_own_commands(world: World, program: str, tmp_path: Path) -> None:
    """ACLs and extended attributes of all kinds, which GNU tar leaves in the archive unless it is told."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "file").write_bytes(b"x")
    (tree / "file").chmod(0o666)
    try:
        os.setxattr(tree / "file", "user.note", b"kept")
        if os.geteuid() == 0:
            os.setxattr(tree / "file", "trusted.note", b"kept, too")
        subprocess.run(["setfacl", "-m", "u:65534:rwx", tree / "file"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"the file system here keeps no such attributes, or setfacl is not installed ({error})")
    make = [GNU_TAR, "-cf", "-", "--format=posix", "--xattrs", "--acls", "-C", tree, "."]
    archive = subprocess.run(make, capture_output=True, check=True)
    session = world.session()
    facts = world.facts(session, "home")
    Job({facts: archive.stdout}).run(world.drive(), session)
    (path,) = world.volumes()
    for where in ("", " on several volumes"):
        done = recover(path, f"files{where} ({'GNU tar' if program == GNU_TAR else 'bsdtar'})", facts, "home/")
        assert (done.returncode, done.stderr) == (0, b"")
        back = path.parent / f"{facts.id}.files"
        was, now = ({n: os.getxattr(f / "file", n) for n in os.listxattr(f / "file")} for f in (tree, back))
        assert now == was and len(now) >= 2
        assert (back / "file").stat().st_mode == (tree / "file").stat().st_mode
        shutil.rmtree(back)


@pytest.mark.parametrize("program", TARS)
@pytest.mark.parametrize("name", ["R1", "-R", "R 1"])
def test_an_object_on_several_volumes_comes_back_with_the_labels_own_commands(
    world: World, program: str, name: str
) -> None:
    session = world.session()
    small = {world.facts(session, "D0"): b"small"}
    Job(small).run(world.drive(name, capacity=200_000), session)
    session = world.session(2)
    streams = {world.facts(session, "D1"): os.urandom(5 * ROOM), world.facts(session, "D2"): os.urandom(4 * ROOM)}
    Job(streams).run(world.drive(name, capacity=200_000), session)
    paths = sorted((world.folder / name).iterdir())
    assert len(paths) > 2
    use = f"object on several volumes ({'GNU tar' if program == GNU_TAR else 'bsdtar'})"
    for facts, data in (small | streams).items():
        done = recover(paths[0], use, facts, facts.source + "/")
        assert (done.returncode, done.stderr) == (0, b""), "not a word of the volumes that hold none of it"
        assert (paths[0].parent / f"{facts.id}.data").read_bytes() == data


@pytest.mark.parametrize("program", TARS)
@pytest.mark.skipif(not (shutil.which("zstd") and shutil.which("age")), reason="zstd or age is not installed")
def test_what_an_object_needs_is_said_and_done_by_the_labels_own_commands(
    world: World, program: str, tmp_path: Path
) -> None:
    (tree := tmp_path / "tree").mkdir()
    (tree / "file").write_bytes(os.urandom(3 * ROOM))
    archive = subprocess.run([GNU_TAR, "-cf", "-", "-C", tree, "."], capture_output=True, check=True).stdout
    subprocess.run(["age-keygen", "-o", tmp_path / "key"], capture_output=True, check=True)
    frame = subprocess.run(["zstd", "-c"], input=archive, capture_output=True, check=True).stdout
    to = subprocess.run(
        ["age-keygen", "-y", tmp_path / "key"], capture_output=True, text=True, check=True
    ).stdout.strip()
    sealed = subprocess.run(["age", "-r", to], input=frame, capture_output=True, check=True).stdout
    session = world.session()
    plain, coded = (world.facts(session, "plain"), world.facts(session, "coded", compress="zstd", encrypt="age"))
    Job({plain: archive, coded: sealed}).run(world.drive(capacity=200_000), session)
    first, *others = world.volumes()
    assert others
    tar = "GNU tar" if program == GNU_TAR else "bsdtar"

    done = recover(first, f"files on several volumes ({tar})", plain, "plain/")
    assert (done.returncode, done.stderr) == (0, b"")
    assert (first.parent / f"{plain.id}.files" / "file").read_bytes() == (tree / "file").read_bytes()

    known = json.loads(recover(first, "index", coded, "coded/").stdout)["objects"]
    assert {(o["source"], o["compress"], o["encrypt"]) for o in known} == {
        ("plain", None, None),
        ("coded", "zstd", "age"),
    }
    (first.parent / "KEY").write_bytes((tmp_path / "key").read_bytes())
    for use in (
        f"object on several volumes ({tar})",
        "decrypt, where the index says encrypt",
        "decompress, where the index says compress",
    ):
        done = recover(first, use, coded, "coded/")
        assert (done.returncode, done.stderr) == (0, b""), use
    assert (first.parent / f"{coded.id}.data").read_bytes() == archive


@pytest.mark.skipif(shutil.which("busybox") is None, reason="busybox is not installed")
def test_busybox_lists_a_volume_too(world: World) -> None:
    session = world.session()
    Job({world.facts(session, "D1"): b"a" * (ROOM + 7)}).run(world.drive(), session)
    done = subprocess.run(["busybox", "tar", "-tf", world.volumes()[0]], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 5


@pytest.mark.parametrize("program", TARS)
def test_a_copy_that_was_made_again_on_its_drive_comes_back_from_its_records(world: World, program: str) -> None:
    """As docs/restore.md has it: the first records lie there twice."""
    session = world.session()
    facts, data = world.facts(session, "shop"), os.urandom(7 * ROOM + 5)
    Job({facts: data[: 3 * ROOM]}, {facts: Ending("cut-off", error="the drive failed")}).run(world.drive(), session)
    Job({facts: data}).run(world.drive(), world.session(2))
    (path,) = world.volumes()
    names = subprocess.run([GNU_TAR, "-tf", path], capture_output=True, text=True, check=True).stdout.splitlines()
    assert names.count(f"shop/{facts.id}/0000000001") == 2
    take = "--wildcards --" if program == GNU_TAR else "--include"
    lines = ("mkdir records", f"{program} -xf {path.name} -C records {take} 'shop/{facts.id}/*'")
    done = shell("\n".join((*lines, f"cat records/shop/{facts.id}/*")), path.parent)
    assert (done.returncode, done.stderr, done.stdout) == (0, b"", data)
