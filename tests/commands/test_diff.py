"""``tcc diff``: what changes between two plans, in consequences."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from tapechain.cli.main import _main
from tapechain.compiler.differ import diff
from tapechain.compiler.program import compile_program
from tapechain.compiler.world import MemoryWorld
from tapechain.runtime import plan as plans
from tapechain.runtime.plan import CompiledPlan

ROOT = Path(__file__).resolve().parents[2]
FIGURE2 = (ROOT / "examples" / "figure2.tc").read_text()
FIGURE5 = (ROOT / "examples" / "figure5.tc").read_text()

AGE = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"

Capture = pytest.CaptureFixture[str]


def compiled(text: str) -> CompiledPlan:
    compilation = compile_program("p.tc", MemoryWorld(files={"p.tc": text.replace("AGE", AGE)}))
    assert compilation.plan is not None, [d.message for d in compilation.diagnostics]
    return compilation.plan


def changes(old: str, new: str) -> list[str]:
    """The changes, each behind the sign of its effect."""
    signs = {"worse": "-", "better": "+", "neutral": "~"}
    return [f"{signs[c.effect]} {c.message}".replace(AGE, "AGE") for c in diff(compiled(old), compiled(new))]


def figure2(*pairs: tuple[str, str]) -> str:
    text = FIGURE2
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    return text


def test_the_only_copy_at_a_site_is_the_worst() -> None:
    new = figure2(
        ("    B2 <- A124.B2\n", ""), ("-> R3 { B2 <- A138.B2 }", "-> R3 { B3 <- A138.B3 }"), ("of D2, D6", "of D6")
    )
    assert changes(FIGURE2, new) == [
        "- D2 loses its only copy at site vault, on R5: a single copy is left",
        "- D2 loses its only copy at site mine, on R3: a single copy is left",
        "- the requirement `copies >= 2` of D2 is gone",
        "- the requirement `sites >= 2` of D2 is gone",
        "+ D1 gains a third copy, on R3 at site mine, its first there",
    ]
    assert changes(new, FIGURE2) == [
        "- D1 loses its only copy at site mine, on R3: 2 copies are left",
        "+ D2 gains a second copy, on R5 at site vault",
        "+ D2 gains a third copy, on R3 at site mine",
        "+ the requirement `copies >= 2` of D2 is new",
        "+ the requirement `sites >= 2` of D2 is new",
    ]


SMALL = """source D1 { files = "/a" }
source D2 { files = ["/b", "/c"] exclude = ["*.tmp"] }
drive R1 { volumes = "m/1" }
drive R2 { volumes = "m/2" site = "vault" }
drive R3 { volumes = "m/3" site = "vault" }
drive R4 { volumes = "m/4" site = "mine" media = "tape" }
drive N { discard = true }
backup group g { agent A -> R1 { B1 <- D1 B2 <- D2 } }
mirror group m of g {
  agent B -> R2 { * <- A }
}
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        pytest.param(
            "B2 <- D2 }",
            "}",
            ["- D2 loses both its copies, on R1 and on R2 at site vault: it is not", "~ the memory of all buffers"],
            id="coupling",
        ),
        pytest.param(
            'source D2 { files = ["/b", "/c"] exclude = ["*.tmp"] }\n',
            "",
            ["- D2 is not backed up any more: its 2 copies, on R1 and on R2 at site vault, are gone", "~ the memory"],
            id="source",
        ),
        pytest.param(
            "{ * <- A }",
            "{ B2 <- A.B2 }",
            ["- D1 loses its only copy at site vault, on R2: a single copy is left"],
            id="mirror",
        ),
        pytest.param(
            "agent B -> R2",
            "agent B -> R3",
            ["~ D1 has its copy at site vault on R3 instead of R2", "~ D2 has"],
            id="moved",
        ),
        pytest.param(
            "agent B -> R2",
            "agent B -> N",
            [
                "- D1 loses its only copy at site vault, on R2",
                "- D2 loses",
                "~ D1 goes to N, which discards it",
                "~ D2",
            ],
            id="discard",
        ),
        pytest.param(
            "  agent B -> R2 { * <- A }",
            "  agent B -> R2 { * <- A } agent C -> R3 { B2 <- A.B2 }",
            ["+ D2 gains a third copy, on R3 at site vault"],
            id="gain",
        ),
        pytest.param(
            '"m/2" site = "vault"',
            '"m/2" site = "mine"',
            [
                "- D1 loses its only copy at site vault: R2 is at site mine now",
                "- D2",
                "~ the drive R2 is at site mine instead of vault",
            ],
            id="site",
        ),
        pytest.param(
            '"m/2" site = "vault"',
            '"m/2"',
            [
                "- D1 loses its only copy at site vault: R2 no longer says its site",
                "- D2",
                "~ the drive R2 no longer says its site; it was vault",
            ],
            id="no site",
        ),
        pytest.param(
            '"m/2"',
            '"n/2"',
            ["~ the drive R2 is the folder n/2 instead of the folder m/2: what is stored stays where it is"],
            id="folder",
        ),
        pytest.param(
            '["/b", "/c"]',
            '"/b"',
            ["- D2 no longer reads /c"],
            id="less",
        ),
        pytest.param(
            '["/b", "/c"]',
            '["/c", "/b", "/d"]',
            ["+ D2 reads /d too"],
            id="more",
        ),
        pytest.param(
            '["/b", "/c"]',
            '["/c", "/d"]',
            ["- D2 reads /d instead of /b"],
            id="other",
        ),
        pytest.param(
            '["*.tmp"]',
            '["*.tmp", "*.o"]',
            ["- D2 leaves out *.o now"],
            id="exclude",
        ),
        pytest.param(
            'exclude = ["*.tmp"]',
            "",
            ["+ D2 no longer leaves out *.tmp"],
            id="no exclude",
        ),
        pytest.param(
            '{ files = "/a" }',
            '{ command = ["dump", "x"] }',
            ["~ D1 reads the command `dump x` instead of /a"],
            id="command",
        ),
        pytest.param(
            '{ files = "/a" }',
            '{ files = "/a" encrypt = ["AGE"] }',
            ["+ D1 is encrypted now, for AGE"],
            id="encrypt",
        ),
        pytest.param(
            "source D1",
            "plan p { depth = 4 }\nsource D1",
            [
                "~ the memory of all buffers is 8MiB instead of 16MiB",
                "~ the buffers of D1 and D2 hold 4 records instead of 8",
            ],
            id="depth",
        ),
        pytest.param(
            "source D1",
            "plan p { record = 2MiB }\nsource D1",
            [
                "~ a record is 2MiB instead of 1MiB: a volume may hold records of both sizes",
                "~ the memory of all buffers is 32MiB instead of 16MiB",
            ],
            id="record",
        ),
        pytest.param(
            "source D1",
            "require copies >= 2\nsource D1",
            ["+ the requirement `copies >= 2` of all sources is new"],
            id="require",
        ),
        pytest.param(
            "B1 <- D1 B2 <- D2 }",
            "B1 <- D2 B2 <- D1 }",
            [
                "~ D1 reaches R1 by A.B2 instead of A.B1",
                "~ D1 reaches R2 by A.B2 -> B.B2 instead of A.B1 -> B.B1",
                "~ D2",
                "~ D2",
            ],
            id="chain",
        ),
        pytest.param(
            "drive N { discard = true }\n",
            "",
            ["~ the drive N is gone"],
            id="unused drive",
        ),
        pytest.param(
            "source D1",
            'source D3 { files = "/z" }\nsource D1',
            ["~ D3 is new, and no copy is made of it"],
            id="unread source",
        ),
    ],
)
def test_each_change_is_said_in_consequences(old: str, new: str, said: list[str]) -> None:
    assert old in SMALL
    text = SMALL.replace(old, new)
    if "source D2" not in text:
        text = text.replace(" B2 <- D2", "")
    # A plan statement would name the plan: the names are alike in both.
    first, second = ("" if "plan p" in t else "plan p\n" for t in (SMALL, text))
    found = changes(first + SMALL, second + text)
    assert len(found) == len(said), found
    assert all(line.startswith(start) for line, start in zip(found, said, strict=True)), found


def test_losing_every_copy_says_that_nothing_is_backed_up() -> None:
    for couplings, said in (
        ("B1 <- D1 }", "D2 loses both its copies, on R1 and on R2 at site vault: it is not backed up any more"),
        ("B2 <- D2 }", "D1 loses both its copies, on R1 and on R2 at site vault: it is not backed up any more"),
    ):
        assert changes(SMALL, SMALL.replace("B1 <- D1 B2 <- D2 }", couplings))[0] == f"- {said}"
    single = SMALL.replace("agent A -> R1", "agent A -> R4").replace(
        "  agent B -> R2 { * <- A }\n", "  agent B -> R2 { B1 <- A.B1 }\n"
    )
    without = single.replace(" B2 <- D2", "")
    assert changes(single, without)[0] == "- D2 loses its only copy at site mine, on R4: it is not backed up any more"


def test_media_that_are_lost_are_named() -> None:
    old = SMALL.replace("agent A -> R1", "agent A -> R4")
    assert "- D1 has no copy on tape any more" in changes(old, SMALL)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("copies >= 2", "copies >= 1", "- the requirement `copies >= 2` of all sources is weakened to `copies >= 1`"),
        (
            "copies >= 1",
            "copies >= 2",
            "+ the requirement `copies >= 1` of all sources is strengthened to `copies >= 2`",
        ),
        ("copies >= 2", "copies >= 2 of D1", "- the requirement `copies >= 2` of D2 is gone"),
        ("memory <= 1GiB", "memory <= 2GiB", "- the requirement `memory <= 1GiB` is weakened to `memory <= 2GiB`"),
        ("drives >= 2", "drives >= 1", "- the requirement `drives >= 2` is weakened to `drives >= 1`"),
        ("encrypted == false", "copies >= 1", "- the requirement `encrypted == false` of all sources is gone"),
    ],
)
def test_requirements_are_compared_by_what_they_ask_of_each_source(old: str, new: str, said: str) -> None:
    assert said in changes(f"{SMALL}require {old}\n", f"{SMALL}require {new}\n")


def test_a_requirement_that_another_one_covers_is_no_change() -> None:
    assert changes(SMALL + "require copies >= 1, copies >= 2\n", SMALL + "require copies >= 2 of D2, D1\n") == []


def test_pools_that_keep_for_less_time_are_a_loss() -> None:
    old = SMALL.replace('"m/1"', '"m/1" pool = keep') + "pool keep { retention = 90d }\n"
    assert changes(old, old.replace("90d", "30d")) == ["- the pool keep keeps for 30d instead of for 90d"]
    assert changes(old, old.replace("retention = 90d", "")) == ["+ the pool keep keeps for ever instead of for 90d"]


def test_the_order_of_statements_is_no_change() -> None:
    lines = SMALL.splitlines(keepends=True)
    assert changes(SMALL, "".join([*lines[7:], *reversed(lines[:7])])) == []


def test_copying_plans_are_compared_too() -> None:
    new = FIGURE5.replace("B1 <- all(D2)", "B1 <- D2").replace('"restored/D6"', '"elsewhere"')
    said = changes(FIGURE5, new)
    assert said[0] == "- all(D2) from R5 is not copied any more: its only copy, on R3, is gone"
    assert "+ D2 from R5 is copied now: one copy, on R3" in said
    assert "~ `files` of the target T1 is elsewhere instead of restored/D6" in said
    fed = FIGURE5.replace("chain A150.B2 -> T1", "chain A150.B1 -> T1")
    assert "~ the target T1 gets D4 from R2 instead of D6 from R2" in changes(FIGURE5, fed)


# ---------------------------------------------------------------- properties

RICH = compiled(
    """plan rich { memory = 1GiB window = 6h schedule = "daily" state = "s" on_failure = "abort"
  catalog = "sqlite:///c" }
host web { address = "web.example" } pool keep { retention = 30d sessions = 2 capacity = 1GiB }
source a { files = ["/a", "/b"] exclude = ["*.tmp"] host = web tags = ["x"] one_file_system = true }
source b { command = ["dump", "-x"] size = 1GiB rate = 30MB/s compress = "zstd" level = "incremental"
  encrypt = ["AGE"] }
source c { stream = "-" } source d { chain = "night/home" }
drive R1 { volumes = "m/1" site = "s" media = "disk" capacity = 1GiB rate = 30MB/s..160MB/s pool = keep host = web }
drive R2 { tape = "/dev/nst0" changer = "/dev/sg1" slot = 3 }
drive R3 { bucket = "s3://x/y" }
drive R4 { discard = true }
backup group g { agent A -> R1 { order = "object" spool = "sp" spool_size = 1GiB host = web B1 <- a B2 <- b B3 <- c
  B4 <- d } }
mirror group m of g { agent B -> R2 { * <- A } agent C -> R3 { * <- A } agent D -> R4 { * <- A } }
require copies >= 2 of a
"""
)
#: Fields that follow from others, or that name nothing that a user knows of.
DERIVED = {
    ("CompiledPlan", "version"), ("CompiledPlan", "fingerprint"), ("CompiledPlan", "base"),
    ("Ring", "id"), ("Ring", "feed"), ("Ring", "buffers"), ("Ring", "host"), ("Buffer", "ring"), ("Buffer", "as_of"),
}  # fmt: skip
#: What would leave a name or a ring behind that nothing declares: no reader of compiled plans lets that through.
DANGLING = {(cls, field) for cls in ("Source", "Drive") for field in ("name", "(gone)")} | {("Ring", "(gone)")}
KINDS = {"files", "stream", "command", "chain", "volumes", "tape", "bucket"}
OTHER = {"kind": {"volumes": "bucket", "files": "stream", "mirror": "copy", "backup": "restore"},
         "role": {"write": "read"}, "order": {"object": "interleave", "interleave": "object"},
         "level": {"full": "incremental", "incremental": "full"},
         "on_failure": {"abort": "continue", "continue": "abort"}}  # fmt: skip


def other(name: str, value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, tuple):
        return (value[0] + 1, value[1] + 2) if value and isinstance(value[0], int) else (*value, "b")
    if name in OTHER:
        return OTHER[name].get(value, "volumes")
    if name == "drive":
        return "R9" if value is None else {"R1": "R2", "R2": "R1"}.get(value, "R1")
    if value is None:
        return {"rate": 7, "size": 7, "slot": 7, "capacity": 7, "spool_size": 7, "retention": 7.0, "sessions": 7,
                "memory_limit": 7, "window": 7.0}.get(name, "other")  # fmt: skip
    return value + "x"


def mutations() -> list[Any]:
    """Every field of every part of a rich plan with another value: (class, field, the plan with it)."""
    out = []
    for f in dataclasses.fields(RICH):
        value = getattr(RICH, f.name)
        if not (isinstance(value, tuple) and value and dataclasses.is_dataclass(value[0])):
            if f.name not in ("targets",):
                out.append(("CompiledPlan", f.name, dataclasses.replace(RICH, **{f.name: other(f.name, value)})))
            continue
        for i, part in enumerate(value):
            out.append(
                (type(part).__name__, "(gone)", dataclasses.replace(RICH, **{f.name: value[:i] + value[i + 1 :]}))
            )
            for g in dataclasses.fields(part):
                if g.name in KINDS and part.kind != g.name:
                    continue
                if g.name == "buffers" and f.name == "agents":
                    changed = dataclasses.replace(part, buffers=part.buffers[1:])
                else:
                    changed = dataclasses.replace(part, **{g.name: other(g.name, getattr(part, g.name))})
                with_it = dataclasses.replace(RICH, **{f.name: (*value[:i], changed, *value[i + 1 :])})
                out.append((type(part).__name__, g.name, with_it))
    return out


def test_no_field_of_a_plan_changes_in_silence() -> None:
    seen = set()
    for cls, field, changed in mutations():
        if (cls, field) in DERIVED or (cls, field) in DANGLING:
            continue
        assert diff(RICH, changed) and diff(changed, RICH), (cls, field)
        seen.add((cls, field))
    for cls in (plans.Source, plans.Drive, plans.Pool, plans.Agent, plans.Group, plans.Host, plans.Requirement):
        missed = {f.name for f in dataclasses.fields(cls)} - {field for name, field in seen if name == cls.__name__}
        assert missed <= {"name", "drive", "metric", "operator"}, (cls, missed)


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Small plans over the same names: three sources, four drives at up to two sites, mirrors of one agent."""
    out = [f'source D{i} {{ files = "/{i}" }}\n' for i in range(3)]
    for i in range(4):
        site = draw(st.sampled_from(["", ' site = "here"', ' site = "there"']))
        out.append(f'drive R{i} {{ volumes = "m{i}"{site} }}\n')
    fed = draw(st.lists(st.integers(0, 2), min_size=1, unique=True))
    out.append("backup group g { agent A -> R0 { " + " ".join(f"B{i} <- D{i}" for i in fed) + " } }\n")
    agents = []
    for i in range(1, 4):
        own = draw(st.lists(st.sampled_from(fed), unique=True))
        if own:
            agents.append(f"  agent M{i} -> R{i} {{ " + " ".join(f"B{n} <- A.B{n}" for n in own) + " }\n")
    return "".join([*out, *(["mirror group m of g {\n", *agents, "}\n"] if agents else [])])


@given(texts(), texts())
@settings(max_examples=100, deadline=None)
def test_what_one_way_loses_the_other_way_gains(one: str, other_text: str) -> None:
    old, new = compiled(one), compiled(other_text)
    there, back = diff(old, new), diff(new, old)
    assert bool(there) == bool(back) == (plans.fingerprint_of(old) != plans.fingerprint_of(new) and bool(there))
    assert diff(old, old) == diff(new, new) == ()
    for source in ("D0", "D1", "D2"):
        was, now = drives(old, source), drives(new, source)
        said = [c for c in there if c.name == source and c.kind in ("copies", "sites")]
        if now - was or was - now:
            assert said, (source, was, now)
        if was and not now:
            assert any(c.effect == "worse" and "not backed up any more" in c.message for c in said)
        for drive in now - was:
            assert any(f"on {drive}" in c.message for c in said)
        for drive in was - now:
            assert any(drive in c.message for c in said)
    ranks = [c.rank for c in there]
    assert ranks == sorted(ranks)


def drives(plan: CompiledPlan, source: str) -> set[str]:
    rings = {ring.id for ring in plan.rings if ring.feed == source}
    return {agent.drive for agent in plan.agents for buffer in agent.buffers if buffer.ring in rings}


# ---------------------------------------------------------------- the command


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.tc").write_text('param where = "vault"\n' + SMALL.replace('"vault"', '"${where}"'))
    (tmp_path / "new.tc").write_text(SMALL.replace('["/b", "/c"]', '"/b"'))
    (tmp_path / "wrong.tc").write_text("source D { files = }\n")
    return tmp_path


def test_plans_and_compiled_plans_are_compared(folder: Path, capsys: Capture) -> None:
    assert _main(["compile", "old.tc"]) == 0
    assert _main(["diff", "old.tc", "old.plan.json"]) == 0
    assert capsys.readouterr().out == ""
    for old in ("old.tc", "old.plan.json"):
        assert _main(["diff", old, "new.tc"]) == 1
        out, err = capsys.readouterr()
        assert out == "- D2 no longer reads /c\n1 for the worse\n"
        assert err == "", "warnings of the plans are not what was asked for"


def test_defines_go_to_the_plan_that_knows_them(folder: Path, capsys: Capture) -> None:
    assert _main(["diff", "-D", "where=bank", "old.tc", "new.tc"]) == 1
    assert "the drive R2 is at site vault instead of bank" in capsys.readouterr().out
    assert _main(["diff", "-D", "were=bank", "old.tc", "new.tc"]) == 2
    assert "were" in capsys.readouterr().err


def test_json_has_all_changes(folder: Path, capsys: Capture) -> None:
    assert _main(["diff", "--json", "old.tc", "new.tc"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["changes"] == [
        {"effect": "worse", "kind": "sources", "name": "D2", "message": "D2 no longer reads /c"}
    ]
    assert (document["version"], document["same"]) == (1, False)
    assert document["summary"] == {"worse": 1, "better": 0, "neutral": 0}
    assert _main(["diff", "--json", "old.tc", "old.tc"]) == 0
    assert json.loads(capsys.readouterr().out)["same"] is True
    Draft202012Validator({"required": ["old", "new"]}).validate(document)


@pytest.mark.parametrize("pair", [("wrong.tc", "new.tc"), ("new.tc", "wrong.tc"), ("gone.tc", "new.tc"), ("-", "-")])
def test_what_cannot_be_compared_is_exit_2(folder: Path, pair: tuple[str, str], capsys: Capture) -> None:
    assert _main(["diff", *pair]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert ("TC101" in err) == ("wrong.tc" in pair)


def test_one_plan_may_come_from_standard_input(folder: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tapechain", "diff", "-", "new.tc"],
        input=(folder / "old.tc").read_bytes(), capture_output=True, timeout=60,
    )  # fmt: skip
    assert (run.returncode, run.stderr) == (1, b"")
    assert run.stdout.startswith(b"- D2 no longer reads /c\n"), "not: the plan's name is new instead of stdin"


def test_a_plan_may_come_through_a_pipe(folder: Path) -> None:
    assert _main(["compile", "old.tc"]) == 0
    for old in ("old.tc", "old.plan.json"):
        run = subprocess.run(
            ["bash", "-c", f'"$0" -m tapechain diff <(cat {old}) new.tc', sys.executable],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (run.returncode, run.stdout, run.stderr) == (1, "- D2 no longer reads /c\n1 for the worse\n", "")


def test_many_changes_alike_are_counted(folder: Path, capsys: Capture) -> None:
    text = (
        'for i in 1..50 { source "S${i}" { files = "/${i}" } }\ndrive A { volumes = "a" }\n'
        'drive B { volumes = "b" }\nbackup group g { agent X -> A { for i in 1..50 { "B${i}" <- "S${i}" } } }\n'
    )
    mirrored = text + "mirror group m of g { agent Y -> B { * <- X } }\n"
    (folder / "one.tc").write_text(text)
    (folder / "two.tc").write_text(mirrored)
    assert _main(["diff", "two.tc", "one.tc"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[:4] == [
        "- S1 loses a copy, on B: a single copy is left",
        "- S2 loses a copy, on B: a single copy is left",
        "- S3 loses a copy, on B: a single copy is left",
        "- … and the same of 47 more (--json names them)",
    ]
    assert len(lines) < 10
    assert _main(["diff", "--json", "two.tc", "one.tc"]) == 1
    names = {c["name"] for c in json.loads(capsys.readouterr().out)["changes"] if c["effect"] == "worse"}
    assert names == {f"S{i}" for i in range(1, 51)}


def test_names_that_would_steer_a_terminal_are_harmless(folder: Path, capsys: Capture) -> None:
    (folder / "odd.tc").write_text(SMALL.replace("D2", '"D\x1b[31m\\n2"'))
    assert _main(["diff", "odd.tc", "new.tc"]) == 1
    out = capsys.readouterr().out
    assert "\x1b" not in out and "\\x1b" in out
    assert "\n2" not in out
