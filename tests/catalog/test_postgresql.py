"""A catalog that several servers share: a real PostgreSQL, and the same answers as from SQLite."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tapechain.runtime.catalog.keeping import _fulls_stored
from tapechain.runtime.catalog.rebuild import rebuild
from tapechain.runtime.catalog.store import Catalog, open_catalog
from tapechain.runtime.faults import CatalogFault
from tapechain.runtime.plan import Pool
from tapechain.runtime.recycle import recycle

pytestmark = pytest.mark.timeout(100)


def answers(catalog: Catalog) -> Any:
    last = [catalog.last_fulls(plan, ["home", "partly", "none"], but="") for plan in ("night0", "night1")]
    return catalog.objects(), catalog.volumes(), catalog.sessions(), catalog.source_names(), last


def test_it_answers_as_sqlite_does(world: Any, support: Any, postgresql: str) -> None:
    item = support.Item
    for night in range(3):
        world.run(
            {
                "home": item(os.urandom(300_000), "files"),
                "ärger 🙂": item(b"x" * 200_000, ending=support.Ending("failed", ("a 'quoted' \\ one",), error="x")),
                "partly": item(os.urandom(300_000), only={"R2": 2}),
            },
            ("R1", "R2"),
            capacity=500_000,
            plan=f"night{night % 2}",
            pool="month",
        )  # fmt: skip
    with open_catalog(postgresql, create=True) as there, world.catalog() as here:
        there.record_volumes(world.indexed)
        mine = answers(here)
        # What only the runs told is not among the indexes.
        for known, told in zip(there.objects(), mine[0], strict=True):
            assert (known.id, known.status, known.bytes, known.warnings) == (
                told.id, told.status, told.bytes, told.warnings,
            )  # fmt: skip
            assert [(c.drive, c.status, c.segments) for c in known.copies] == [
                (c.drive, c.status, c.segments) for c in told.copies
            ]
        assert there.volumes() == mine[1]
        assert [(s.id, s.number, s.plan, s.seconds) for s in there.sessions()] == [
            (s.id, s.number, s.plan, s.seconds) for s in mine[2]
        ]
        assert there.source_names() == mine[3]
        ids = [o.id for o in mine[0]] + ["none"] * 600
        assert there.places() == here.places() != []
        assert there.known(ids) == here.known(ids) == set(ids[:9])
        assert {o.id for o in there.objects_named(ids[:4])} == set(ids[:4])
        sessions = [o.session_id for o in mine[0]]
        assert there.begun(sessions) == here.begun(sessions)
        assert [o.id for o in there.objects(drive="R1")] == [o.id for o in here.objects(drive="R1")]
        one = mine[0][0]
        assert [o.id for o in there.objects(plan=one.plan, source=one.source)] == [
            o.id for o in mine[0] if (o.plan, o.source) == (one.plan, one.source)
        ]
        pools = {("night0", "month"): Pool("month", sessions=1), ("night1", "month"): Pool("month", sessions=1)}
        assert there.expiry(pools, now=2e9) == here.expiry(pools, now=2e9)
        assert there.names_of_drive("R1") == here.names_of_drive("R1") != []
        names = here.names_of_drive("R1")[:1]
        assert {o.id for o in there.objects_of_drive("R1", names)} == {o.id for o in here.objects_of_drive("R1", names)}
        for catalog in (there, here):  # as though each full had been merged for some object
            with catalog._links.writing() as link:
                link.run("UPDATE objects SET parent = 'below ' || id, kind = 'files' WHERE level = 'full'")
        known = []
        for catalog in (there, here):
            with catalog._links.reading() as link:
                known.append(_fulls_stored(link))
            about = {"plan": one.plan, "source": one.source, "drives": ["R1", "none"]}
            assert "not stored on none" in str(catalog.standing(one.id, **about))
            assert "no longer knows" in str(catalog.standing(f"below {one.id}", **about))
        assert known[0] == known[1] and ("R1", "month") in {place for its in known[0].values() for place in its}
        assert there.expiry(pools, now=2e9) == here.expiry(pools, now=2e9)


def test_several_processes_share_it(catalog_url: str, world: Any) -> None:
    """Every session number is given once, and nothing that several processes record at once is lost."""
    for night in range(4):
        world.run({"home": os.urandom(100_000), "shop": b"x"}, ("R1", "R2"), plan=f"plan{night}")
    script = (
        "import sys\nfrom pathlib import Path\nfrom tapechain.runtime.catalog.rebuild import read_volume\n"
        "from tapechain.runtime.catalog.store import open_catalog\n"
        "with open_catalog(sys.argv[1], create=True) as c:\n"
        "    for _ in range(5):\n"
        "        print(c.begin_session('p', 'f', '2026-01-01T00:00:00.000Z').number)\n"
        "        c.record_volumes(read_volume(Path(sys.argv[2])).sessions)\n"
    )
    children = [
        subprocess.Popen(
            [sys.executable, "-c", script, catalog_url, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for path in world.volumes() * 2
    ]
    numbers: list[int] = []
    for child in children:
        out, errors = child.communicate(timeout=90)
        assert child.returncode == 0, errors.decode()
        numbers += map(int, out.split())
    assert len(set(numbers)) == len(numbers) == 20
    with open_catalog(catalog_url, create=False) as there, world.catalog() as here:
        assert [(o.id, o.status, len(o.copies)) for o in there.objects()] == [
            (o.id, o.status, len(o.copies)) for o in here.objects()
        ]
        # 20 that began here, and the four of the volumes.
        assert len(there.sessions()) == 24


def test_runs_of_two_plans_at_once_on_one_catalog(catalog_url: str, tmp_path: Path) -> None:
    plans = ("one", "two")
    for name in plans:
        (tmp_path / f"{name}.tc").write_text(
            f'plan {name} {{ record = 64KiB  state = "{name}.state"  catalog = "{catalog_url}" }}\n'
            'source home { command = ["head", "-c", "200000", "/dev/zero"] }\n'
            f'drive D{name} {{ volumes = "media/{name}" }}\nbackup group g {{ agent A -> D{name} {{ B1 <- home }} }}\n'
        )
    env = {k: v for k, v in os.environ.items() if k != "TCC_STATE"}

    def tcc(*arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(["tcc", *arguments], cwd=tmp_path, stderr=subprocess.PIPE, env=env)

    for _ in range(2):
        children = [tcc("run", f"{name}.tc", "--progress", "none") for name in plans]
        for child in children:
            _, errors = child.communicate(timeout=60)
            assert child.returncode == 0, errors.decode()
    with open_catalog(catalog_url, create=False) as catalog:
        sessions = catalog.sessions()
        assert sorted(s.number for s in sessions) == [1, 2, 3, 4]
        assert {s.status for s in sessions} == {"ok"}
        assert {o.status for o in catalog.objects()} == {"whole"}
        assert len(catalog.objects()) == 4
    assert tcc("verify", "--plan", "one.tc").wait(timeout=60) == 0
    assert tcc("restore", "two/home", "--plan", "one.tc", "--to", "back").wait(timeout=60) == 0
    assert (tmp_path / "back" / "home").read_bytes() == bytes(200_000)


def test_rebuild_and_recycle(world: Any, postgresql: str) -> None:
    for _ in range(3):
        world.run({"home": os.urandom(100_000)}, ("R1", "R2"), capacity=150_000, pool="p")
    result = rebuild(postgresql, [world.folder / "media"])
    assert result.volumes == 6 and result.faults == ()
    with pytest.raises(CatalogFault, match="holds a catalog already"):
        rebuild(postgresql, [world.folder / "media"])
    with open_catalog(postgresql, create=False) as catalog:
        done = recycle(catalog, "R1-000001", {("night", "p"): Pool("p", sessions=1)})
        assert done.freed_bytes > 100_000
        assert [c.status for c in catalog.objects()[-1].copies] == ["recycled", "stored"]


def test_it_is_made_once_by_many_at_once(postgresql: str) -> None:
    script = (
        "import sys\nfrom tapechain.runtime.catalog.store import open_catalog\nopen_catalog(sys.argv[1], create=True)"
    )
    children = [subprocess.Popen([sys.executable, "-c", script, postgresql]) for _ in range(4)]
    assert [child.wait(timeout=60) for child in children] == [0] * 4


def test_a_server_that_is_not_there_is_a_clear_fault(tmp_path: Path, server: Any) -> None:
    with pytest.raises(CatalogFault, match="cannot be read") as fault:
        open_catalog(f"postgresql://tester:secret@/none?host={tmp_path}", create=True)
    assert "secret" not in str(fault.value) + fault.value.todo
    with pytest.raises(CatalogFault, match='database "none" does not exist'):
        open_catalog(f"postgresql://tester:secret@/none?host={server.folder}", create=False)


def test_what_is_no_catalog_is_refused_and_not_changed(postgresql: str) -> None:
    import psycopg

    with pytest.raises(CatalogFault, match="not a catalog"):
        open_catalog(postgresql, create=False)
    with psycopg.connect(postgresql) as connection:
        connection.execute("CREATE TABLE sessions (id INTEGER)")
    with pytest.raises(CatalogFault, match="not a catalog of tapechain"):
        open_catalog(postgresql, create=True)


def test_a_role_that_may_not_write_can_read(postgresql: str, world: Any) -> None:
    import psycopg

    world.run({"home": b"x"})
    with open_catalog(postgresql, create=True) as catalog:
        catalog.record_volumes(world.indexed)
    with psycopg.connect(postgresql) as connection:
        role = "reader" + postgresql.partition("@/")[2].partition("?")[0]
        connection.execute(f"CREATE ROLE {role} LOGIN")
        connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    with open_catalog(postgresql.replace("tester:secret", role), create=False) as catalog:
        assert len(catalog.objects()) == 1
        with pytest.raises(CatalogFault, match="cannot be written: permission denied") as fault:
            catalog.begin_session("p", "f", "2026-01-01T00:00:00.000Z")
        assert "damaged" not in fault.value.message


def test_without_its_driver_it_says_what_to_install() -> None:
    script = (
        "import sys\nsys.modules['psycopg'] = None\nfrom tapechain.cli.main import main\n"
        "main(['objects', '--catalog', 'postgresql://user:secret@host/name'])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "tapechain[postgresql]" in done.stderr
    assert "secret" not in done.stderr


def test_every_machine_has_the_lists_of_members(
    postgresql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Of a catalog on a server: with another state folder, and no medium at hand; they go when their object does."""
    from tapechain.cli.main import _main
    from tapechain.runtime.members import shared

    def tcc(*arguments: str, state: str, code: int = 0) -> tuple[str, str]:
        monkeypatch.setenv("TCC_STATE", str(tmp_path / state))
        got = _main(list(arguments))
        out, err = capfd.readouterr()
        assert got == code, (out, err)
        return out, err

    def held() -> int:
        with open_catalog(postgresql, create=False) as catalog, catalog._links.reading() as link:
            return len({row["object_id"] for row in link.rows("SELECT object_id FROM member_lists")})

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CI", "1")
    monkeypatch.setattr(shared, "PART_BYTES", 1000)
    (tmp_path / "tree").mkdir()
    for n in range(60):
        (tmp_path / "tree" / f"{n:03d} {os.urandom(20).hex()}").write_text(str(n))
    (tmp_path / "p.tc").write_text(
        f'plan p {{ catalog = "{postgresql}" }}\nsource T {{ files = "tree" level = "incremental" }}\n'
        'drive R1 { volumes = "media" }\n'
        "backup group g { agent A -> R1 { B1 <- T } }\n"
    )
    tcc("run", "p.tc", state="here")
    (tmp_path / "tree" / "new").write_text("new")
    next((tmp_path / "tree").glob("007 *")).unlink()
    tcc("run", "p.tc", state="here")
    assert held() == 2 and not list((tmp_path / "here" / "tapechain-members").iterdir())
    (tmp_path / "media").rename(tmp_path / "away")
    listed, said = tcc("files", "T", "--plan", "p.tc", state="there")
    assert len(listed.splitlines()) == 61 and "007 " not in listed and "made anew" not in said
    # What the server does not take stays with the machine; another one makes it of the object.
    (tmp_path / "away").rename(tmp_path / "media")
    monkeypatch.setattr(Catalog, "keep_list", refuse := _Refusing())
    tcc("run", "p.tc", "--full", state="here")
    assert refuse.asked == 1 and held() == 2
    assert "made anew" not in tcc("files", "T", "--plan", "p.tc", state="here")[1]
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert "made anew" in tcc("files", "T", "--plan", "p.tc", state="there")[1]
    assert held() == 3
    assert "made anew" not in tcc("files", "T", "--plan", "p.tc", state="elsewhere")[1]
    # A list that is not what was kept is not believed.
    with open_catalog(postgresql, create=False) as catalog, catalog._links.writing() as link:
        link.run("UPDATE member_lists SET data = substring(data from 2) WHERE part = 0")
    assert "made anew" in tcc("files", "T", "--plan", "p.tc", state="elsewhere")[1]
    with open_catalog(postgresql, create=False) as catalog:
        for volume in catalog.volumes():
            catalog.forget_volume(volume.id)
    assert held() == 0


class _Refusing:
    asked = 0

    def __call__(self, *_: object) -> None:
        self.asked += 1
        raise CatalogFault("no room")
