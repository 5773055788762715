"""``tcc compile`` and ``load_plan`` on real files, and the real world beside its twin."""

import json
import os
from pathlib import Path

import click
import pytest
from tapechain.cli.main import _main
from tapechain.cli.plans import load_plan
from tapechain.cli.world import RealWorld
from tapechain.compiler.program import compile_program
from tapechain.compiler.world import MemoryWorld
from tapechain.runtime.faults import UsageFault
from tapechain.runtime.plan import loads

PLAN = """param n = 4
plan night { depth = n }
source S { files = "data" } # tcc: ignore TC903
drive R { volumes = "media/R" }
backup group g { agent A -> R { B1 <- S } }
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / "night.tc").write_text(PLAN)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_by_default_the_compiled_plan_lies_beside_the_plan(folder, capsys) -> None:
    assert _main(["compile", "plans/night.tc"]) == 0
    out = capsys.readouterr()
    assert (out.out, out.err) == ("", "")
    plan = loads((folder / "plans/night.plan.json").read_bytes())
    assert (plan.base, plan.rings[0].depth) == (".", 4)
    assert os.listdir(folder / "plans") == unordered("night.tc", "night.plan.json")


def unordered(*names: str) -> object:
    class Same:
        def __eq__(self, other: object) -> bool:
            return isinstance(other, list) and sorted(other) == sorted(names)

        __hash__ = None  # type: ignore[assignment]

    return Same()


@pytest.mark.parametrize(
    ("output", "base"),
    [("out.json", "plans"), ("deep/er/out.json", "../../plans"), ("plans/x.json", "."), ("plans/sub/x.json", "..")],
)
def test_base_leads_from_the_output_to_the_plan(folder, output, base) -> None:
    assert _main(["compile", "plans/night.tc", "-o", output]) == 0
    document = json.loads((folder / output).read_text())
    assert document["base"] == base
    assert document["drives"][0]["volumes"] == "media/R"
    plan, where = load_plan(str(folder / output))
    assert plan.base == base
    assert (where / "night.tc").is_file()


def test_base_is_right_through_symbolic_links(folder) -> None:
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "link").symlink_to("a/b")
    assert _main(["compile", "plans/night.tc", "-o", "link/out.json"]) == 0
    _, where = load_plan("link/out.json")
    assert (where / "night.tc").is_file()


def test_standard_output(folder, capsys) -> None:
    assert _main(["compile", "plans/night.tc", "-o", "-", "-D", "n=16"]) == 0
    plan = loads(capsys.readouterr().out)
    assert (plan.base, plan.rings[0].depth) == (".", 16)


def test_the_fingerprint_is_that_of_what_runs(folder, capsys) -> None:
    fingerprints = set()
    for output in ("a.json", "plans/b.json"):
        assert _main(["compile", "plans/night.tc", "-o", output]) == 0
        fingerprints.add(json.loads((folder / output).read_text())["fingerprint"])
    assert len(fingerprints) == 1
    assert load_plan("plans/night.tc")[0].fingerprint in fingerprints
    assert load_plan("plans/night.tc", {"n": "5"})[0].fingerprint not in fingerprints


def test_check_fails_when_the_file_differs_or_is_not_there(folder, capsys) -> None:
    assert _main(["compile", "--check", "plans/night.tc"]) == 1
    assert not (folder / "plans/night.plan.json").exists()
    assert _main(["compile", "plans/night.tc"]) == 0
    assert _main(["compile", "--check", "plans/night.tc"]) == 0
    assert _main(["compile", "--check", "plans/night.tc", "-D", "n=9"]) == 1
    assert "tcc compile" in capsys.readouterr().err


def test_several_documents_go_to_a_folder(folder) -> None:
    assert _main(["compile", "plans/night.tc", "--emit", "json, dot,mermaid", "-o", "out"]) == 0
    assert os.listdir(folder / "out") == unordered("night.plan.json", "night.dot", "night.mmd")
    assert loads((folder / "out/night.plan.json").read_bytes()).base == "../plans"


def test_errors_write_nothing_and_exit_with_1(folder, capsys) -> None:
    (folder / "wrong.tc").write_text(PLAN.replace("<- S", "<- T"))
    assert _main(["compile", "wrong.tc"]) == 1
    assert "TC201" in capsys.readouterr().err
    assert not (folder / "wrong.plan.json").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["nowhere.tc"], ["plans"], ["plans/night.tc", "--emit", "pcx"], ["plans/night.tc", "-D", "n"],
        ["plans/night.tc", "-D", "m=1"], ["plans/night.tc", "--emit", "json,dot", "-o", "-"],
        ["plans/night.tc", "--emit", "json,dot", "-o", "plans/night.tc"], ["plans/night.tc", "-o", "plans/night.tc/x"],
        ["plans/night.tc", "--emit", ","], [],
    ],
)  # fmt: skip
def test_what_cannot_work_exits_with_2(folder, capsys, arguments) -> None:
    assert _main(["compile", *arguments]) == 2
    assert "Traceback" not in capsys.readouterr().err
    assert (folder / "plans/night.tc").read_text() == PLAN


def test_the_plan_itself_is_never_overwritten(folder) -> None:
    assert _main(["compile", "plans/night.tc", "-o", "plans/night.tc"]) == 2
    (folder / "again.tc").symlink_to("plans/night.tc")
    assert _main(["compile", "plans/night.tc", "-o", "again.tc"]) == 2
    assert (folder / "plans/night.tc").read_text() == PLAN


def test_load_plan_takes_both_and_shows_what_is_wrong(folder, capsys) -> None:
    plan, base = load_plan("plans/night.tc", {"n": "32"})
    assert (plan.rings[0].depth, base) == (32, folder / "plans")
    (folder / "bad.tc").write_text("source S { }")
    with pytest.raises(click.exceptions.Exit) as stop:
        load_plan("bad.tc")
    assert stop.value.exit_code == 1
    assert "TC205" in capsys.readouterr().err
    (folder / "bad.json").write_text('{"version": 99}')
    for path, defines in (("bad.json", {}), ("gone.tc", {}), ("plans/night.tc", {"q": "1"})):
        with pytest.raises(UsageFault):
            load_plan(path, defines)
    assert _main(["compile", "plans/night.tc"]) == 0
    with pytest.raises(UsageFault, match="-D"):
        load_plan("plans/night.plan.json", {"n": "1"})


def test_the_real_world_and_its_twin_agree(folder) -> None:
    (folder / "media").mkdir()
    (folder / "one").symlink_to("media")
    (folder / "loop").symlink_to("loop")
    real = RealWorld()
    twin = MemoryWorld(
        folder=os.path.realpath(folder),
        links={os.path.realpath(folder) + "/one": "media", os.path.realpath(folder) + "/loop": "loop"},
    )
    for path in ("media", "one", "one/x/../y", "nothing/../media", "/", "../x", "loop/x"):
        assert real.resolve(path) == twin.resolve(path), path
    assert real.identity("one") == real.identity("media") != real.identity("plans")
    assert real.identity("/dev/null") == "character device 1:3"
    for path in ("/dev/st987", "/dev/nst987", "/dev/nst987l"):
        assert real.identity(path) == twin.identity(path) == "tape 987"


def test_sources_and_drives_need_not_exist(folder) -> None:
    compilation = compile_program("plans/night.tc", RealWorld())
    assert compilation.diagnostics == ()
    assert os.listdir(folder) == ["plans"]


def test_a_plan_in_a_folder_that_it_backs_up_is_warned_of_its_volumes(folder) -> None:
    text = PLAN.replace('"data"', '"../plans"')
    (folder / "plans" / "night.tc").write_text(text)
    assert [d.code for d in compile_program("plans/night.tc", RealWorld()).diagnostics] == ["TC906"]


def test_standard_input(folder, monkeypatch, capsys) -> None:
    import io
    import sys

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(PLAN.replace("plan night", "plan p").encode())))
    assert _main(["compile", "-", "-o", "-"]) == 0
    assert loads(capsys.readouterr().out).plan == "p"
