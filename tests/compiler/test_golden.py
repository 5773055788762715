"""The compiled plans of Figures 2 and 5, to the byte. ``TCC_ACCEPT=1`` writes them anew; read the diff."""

import os
from pathlib import Path

import pytest
from tapechain.compiler.program import compile_program
from tapechain.compiler.world import MemoryWorld
from tapechain.runtime.plan import dumps, loads

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = Path(__file__).with_name("golden")


@pytest.mark.parametrize("name", ["figure2", "figure5"])
def test_the_compiled_plan(name: str) -> None:
    text = (ROOT / "examples" / f"{name}.tc").read_text()
    compilation = compile_program(f"{name}.tc", MemoryWorld(files={f"{name}.tc": text}))
    assert compilation.plan is not None, compilation.diagnostics
    found = dumps(compilation.plan)
    path = GOLDEN / f"{name}.plan.json"
    if os.environ.get("TCC_ACCEPT"):
        path.write_text(found)
    assert found == path.read_text()
    assert loads(found) == compilation.plan


def test_figure_2_is_what_the_patent_shows() -> None:
    """The three-stage chain of the patent's description: B2 of 124, B2 of 138, B2 of 144 are one ring."""
    plan = loads((GOLDEN / "figure2.plan.json").read_text())
    assert plan.memory == 50331648
    assert ("A124.B2", "A138.B2", "A144.B2") in [ring.buffers for ring in plan.rings]
    assert ("A126.B3", "A140.B1", "A146.B1") in [ring.buffers for ring in plan.rings]
    assert [ring.feed for ring in plan.rings] == ["D1", "D2", "D3", "D4", "D5", "D6"]
    assert str(ROOT) not in (GOLDEN / "figure2.plan.json").read_text()


def test_figure_5_is_what_the_patent_shows() -> None:
    plan = loads((GOLDEN / "figure5.plan.json").read_text())
    assert [(ring.feed, ring.buffers) for ring in plan.rings] == [
        ("D4", ("A150.B1", "A158.B1", "A164.B2")),
        ("D6", ("A150.B2", "A160.B1", "A166.B3")),
        ("all(D2)", ("A152.B1", "A160.B2")),
    ]
    assert [(a.name, a.role) for a in plan.agents[:3]] == [("A150", "read"), ("A152", "read"), ("A158", "write")]
    assert plan.targets[0].feed == "A150.B2"
