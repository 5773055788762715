"""``tcc check --catalog``: selectors are checked against what is recorded, and the run agrees."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from tapechain.cli.main import _main
from tapechain.runtime.copying.holdings import look
from tapechain.runtime.copying.selectors import choose, parse
from tapechain.runtime.faults import Fault

DATA = b"x" * 100_000


@pytest.fixture
def magazine(world: Any, support: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Two plans with a source ``home``; ``mail`` reached R1 whole and R2 in part, ``part`` is whole on no drive."""
    monkeypatch.chdir(world.folder)
    first = world.run({"home": DATA, "mail": DATA}, ("R1", "R2"))
    world.run({"home": DATA}, ("R1",), parents={"home": first["home"]})
    world.run(
        {"mail": support.Item(DATA, only={"R2": 1}), "part": support.Item(DATA, ending=support.Ending("failed"))},
        ("R1", "R2"),
    )
    world.run({"home": DATA, "odd one": DATA}, ("R3", "R2"), plan="other")
    world.ids = first
    return world


def checked(magazine: Any, drive: str, selector: str, as_of: str | None = None, *options: str) -> int:
    more = f' {{ as_of = "{as_of}" }}' if as_of else ""
    (magazine.folder / "back.tc").write_text(
        f'drive {drive} {{ volumes = "media/{drive}" }}\ntarget T {{ files = "back" }}\n'
        f"restore group g {{\n  agent A <- {drive} {{ B1 <- {selector}{more} }}\n}}\nchain A.B1 -> T\n"
    )
    return _main(["check", "--catalog", str(magazine.catalog_path), *options, "back.tc"])


SELECTORS = [
    "home",
    "latest(home)",
    "all(home)",
    "chain(home)",
    '"night/home"',
    'latest("other/home")',
    "mail",
    "all(part)",
    '"odd one"',
    "all",
    "hone",
    'object("{mail}")',
    'object("{home}")',
    'object("none")',
]
MOMENTS = [None, "2025-12-31T00:00Z", "2026-01-02T00:00:00Z", "2027-01-01"]


def test_the_check_says_what_the_run_would_say(magazine: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Over all combinations: the check finds fault where the run's own choice raises one, and nowhere else."""
    seen = {0: 0, 1: 0}
    for drive, written, as_of in itertools.product(("R1", "R2", "R3"), SELECTORS, MOMENTS):
        selector = written.format(**magazine.ids)
        with magazine.catalog() as catalog:
            holdings = look(drive, magazine.magazine(drive), catalog)
        moment = None if as_of is None else {"2025-12-31T00:00Z": "2025-12-31T00:00:00.000Z"}.get(as_of)
        if as_of is not None and moment is None:
            moment = "2026-01-02T00:00:00.000Z" if "-02T" in as_of else "2026-12-31T23:00:00.000Z"
        try:
            choose(parse(selector), holdings, as_of=moment)
            expected = 0
        except Fault:
            expected = 1
        code = checked(magazine, drive, selector, as_of)
        out = capsys.readouterr().out
        assert code == expected, (drive, selector, as_of, out)
        assert (code == 0) == (out == ""), out
        assert out.count("error[") == expected, out
        seen[code] += 1
    assert min(seen.values()) > 30


@pytest.mark.parametrize(
    ("drive", "selector", "as_of", "code", "said"),
    [
        ("R1", "hone", None, "TC208", "did you mean `home`?"),
        ("R1", '"nigt/home"', None, "TC208", 'did you mean `"night/home"`?'),
        ("R1", "zzzzz", None, "TC208", 'it knows home, "odd one", mail and part'),
        ("R2", "home", None, "TC208", 'name one of them: `"night/home"`'),
        ("R1", '"odd one"', None, "TC209", "R2 and R3 hold one: read that"),
        ("R1", "all(part)", None, "TC209", "no drive holds one"),
        ("R1", "mail", "2020-01-01", "TC209", "the first one began at 2026-01-01T00:00:00.000Z"),
        ("R9", "all", None, "TC209", "the drive R9 holds no object"),
    ],
)
def test_what_is_said(
    magazine: Any,
    capsys: pytest.CaptureFixture[str],
    drive: str,
    selector: str,
    as_of: str | None,
    code: str,
    said: str,
) -> None:
    assert checked(magazine, drive, selector, as_of, "--format", "json") == 1
    (found,) = json.loads(capsys.readouterr().out)["diagnostics"]
    assert found["code"] == code
    assert said in f"{found['message']} {found['help']}"
    line = (magazine.folder / "back.tc").read_text().splitlines()[found["line"] - 1]
    marked = line[found["column"] - 1 : found["end_column"] - 1]
    assert marked == (f'"{as_of}"' if as_of else selector.removeprefix("all(").removesuffix(")"))


def test_a_near_object_is_named(magazine: Any, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = magazine.ids["mail"][:-1] + "z"
    assert checked(magazine, "R1", f'object("{wrong}")') == 1
    assert f'did you mean "{magazine.ids["mail"]}"?' in capsys.readouterr().out


def test_without_a_catalog_selectors_are_not_checked(magazine: Any) -> None:
    checked(magazine, "R1", "hone")
    assert _main(["check", "--strict", "back.tc"]) == 0


def test_a_catalog_that_is_not_there_is_unusable(magazine: Any, capsys: pytest.CaptureFixture[str]) -> None:
    (magazine.folder / "back.tc").write_text("")
    assert _main(["check", "--catalog", "none.sqlite", "back.tc"]) == 2
    assert "none.sqlite" in capsys.readouterr().err
    assert not Path("none.sqlite").exists()
    Path("junk").write_text("junk" * 1000)
    assert _main(["check", "--catalog", "junk", "back.tc"]) == 2


def test_a_head_of_a_chain_is_checked_too(magazine: Any, capsys: pytest.CaptureFixture[str]) -> None:
    (magazine.folder / "back.tc").write_text(
        'drive R1 { volumes = "media/R1" }\ntarget T { files = "back" }\n'
        "restore group g { agent A <- R1 }\nchain hone -> A.B1 -> T\n"
    )
    assert _main(["check", "--catalog", f"sqlite:///{magazine.catalog_path}", "back.tc"]) == 1
    assert "TC208" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ["refresh", "R1-000001", "--to", "new=fresh"],
        ["migrate", "R1", "R2", "--to", "new=fresh"],
        ["demultiplex", "--drive", "R1", "--to", "new=fresh"],
        ["chain", "night/home", "--to", "new=fresh"],
        ["restore", "night/mail", "other/home", "--to", "back"],
        ["catch-up"],
    ],
    ids=lambda words: words[0],
)
def test_what_is_drafted_from_a_catalog_passes_against_it(
    magazine: Any, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    """In strictness, too: a draft has no faults and no warnings, and every object that it selects is there."""
    catalog = ["--catalog", str(magazine.catalog_path)]
    assert _main(["draft", *words, *catalog, "-o", "drafted.tc"]) in {0, 3}, capsys.readouterr().err
    assert "restore group" in Path("drafted.tc").read_text()
    code = _main(["check", "--strict", *catalog, "drafted.tc"])
    assert code == 0, capsys.readouterr().out + Path("drafted.tc").read_text()


def test_a_draft_names_the_catalog_that_it_was_made_from_wherever_it_lies(
    magazine: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = magazine.folder / "a b@c"
    odd.mkdir()
    for place, named in (
        ("state/catalog.sqlite", True),
        ("sqlite:///state/catalog.sqlite", True),
        (f"sqlite:///{magazine.catalog_path}", True),
        (str(odd / "c.sqlite"), False),
    ):
        if not named:
            (odd / "c.sqlite").write_bytes(magazine.catalog_path.read_bytes())
        assert _main(["draft", "catch-up", "--catalog", place, "-o", "elsewhere/drafted.tc", "--force"]) == 0
        assert ("name it with --catalog" in capsys.readouterr().err) is not named
        assert _main(["check", "--strict", "elsewhere/drafted.tc"]) == 0, capsys.readouterr().out
        assert _main(["compile", "elsewhere/drafted.tc", "-o", "drafted.json"]) == 0
        given = json.loads(Path("drafted.json").read_text()).get("catalog")
        assert given == (f"sqlite:///{magazine.catalog_path}" if named else None)
