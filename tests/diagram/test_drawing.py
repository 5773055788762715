"""Pictures: each format, with what names every plan gives it, and what happens where nothing can draw."""

from __future__ import annotations

import stat
import struct
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from diagram_plans import HOSTILE, everyday, figure2, files, sketch, volumes
from tapechain.cli import drawing
from tapechain.cli.drawing import render
from tapechain.compiler.emit.dot import to_dot
from tapechain.runtime.faults import UsageFault
from tapechain.runtime.plan import CompiledPlan, dumps

pytest.importorskip("pygraphviz", reason="nothing may draw here: pygraphviz's wheel is not installed")


def names_of(plan: CompiledPlan) -> set[str]:
    parts = (*plan.sources, *plan.drives, *plan.agents, *plan.groups, *plan.targets)
    return {p.name for p in parts} | {b.name for a in plan.agents for b in a.buffers} | {plan.plan}


def texts_of(svg: bytes) -> str:
    root = ElementTree.fromstring(svg)
    tips = [v for e in root.iter() for k, v in e.attrib.items() if k.endswith("}title")]
    return "\n".join([*(t.strip() for t in root.itertext() if t.strip()), *tips])


def test_svg_is_well_formed_and_holds_every_name_and_tooltips(drawn_plan: CompiledPlan) -> None:
    svg = render(to_dot(drawn_plan), "svg")
    texts = texts_of(svg)
    assert all(name in texts for name in names_of(drawn_plan))
    assert all(f"drive {d.name}: " in texts for d in drawn_plan.drives)
    assert f"{drawn_plan.rings[0].depth} × 1 MiB, shared by" in texts


def test_png_is_a_picture_of_a_sensible_size(drawn_plan: CompiledPlan) -> None:
    png = render(to_dot(drawn_plan), "png")
    width, height = struct.unpack(">II", png[16:24])
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert 800 < width < 2000 and 300 < height < 1200


def test_pdf_is_one(drawn_plan: CompiledPlan) -> None:
    pdf = render(to_dot(drawn_plan), "pdf")
    assert pdf.startswith(b"%PDF-") and pdf.rstrip().endswith(b"%%EOF") and len(pdf) > 5000


@pytest.mark.parametrize("form", drawing.FORMATS)
def test_the_same_bytes_each_time(form: drawing.PictureFormat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    document = to_dot(everyday())
    assert render(document, form) == render(document, form)


@pytest.mark.parametrize("name", [*HOSTILE, ""], ids=ascii)
def test_hostile_names_are_drawn_harmlessly(name: str) -> None:
    plan = sketch(name, (files(name),), (volumes(name),), ((name, "backup", None, ((name, name, ((name, name),)),)),))
    svg = render(to_dot(plan), "svg")
    texts = texts_of(svg)
    from tapechain.compiler.emit.picture_text import short, visible

    assert " ".join(short(name).split()) in " ".join(texts.split())
    assert visible(f"source {name} (files): {name}")[:550] in texts.replace("\xa0", " ") or "/" in texts
    assert b"<script" not in svg and b"\x1b" not in svg


@pytest.mark.parametrize("prog", ["dot", "bundled"])
def test_either_way_gives_the_same_lines(prog: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A stand-in for ``dot`` that fails must not matter; without it the bundled one is used."""
    if prog == "dot":
        fake = tmp_path / "dot"
        fake.write_text("#!/bin/sh\necho 'Fontconfig error: noise' >&2\necho broken >&2\nexit 1\n")
        fake.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    else:
        monkeypatch.setenv("PATH", "/nowhere")
    assert "A124" in texts_of(render(to_dot(figure2()), "svg"))


def test_where_nothing_draws_the_fault_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(drawing, "_BUNDLED", "raise ImportError('no \\x1b[31mpygraphviz')")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UsageFault) as caught:
        render(to_dot(everyday()), "svg")
    assert "no \\x1b[31mpygraphviz" in caught.value.message
    assert "pip install pygraphviz" in caught.value.todo


def test_a_drawer_that_never_ends_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "_BUNDLED", "import threading; threading.Event().wait()")
    monkeypatch.setattr(drawing, "TIMEOUT_SECONDS", 0.5)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UsageFault, match="longer than"):
        render(to_dot(everyday()), "svg")


# ---------------------------------------------------------------- the command


def tcc(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "tapechain", *arguments], cwd=cwd, capture_output=True, timeout=60, check=False
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "night.plan.json").write_text(dumps(figure2()), encoding="utf-8")
    return tmp_path


def test_the_command_draws_beside_the_plan_and_says_nothing(folder: Path) -> None:
    done = tcc("diagram", "night.plan.json", cwd=folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    picture = folder / "night.svg"
    assert "A124" in texts_of(picture.read_bytes())
    assert stat.S_IMODE(picture.stat().st_mode) & 0o400
    assert sorted(p.name for p in folder.iterdir()) == ["night.plan.json", "night.svg"]


@pytest.mark.parametrize(
    ("suffix", "head"),
    [("svg", b"<?xml"), ("PNG", b"\x89PNG"), ("pdf", b"%PDF"), ("dot", b"digraph"), ("mmd", b"flowchart LR")],
)
def test_the_suffix_says_what_is_drawn(folder: Path, suffix: str, head: bytes) -> None:
    done = tcc("diagram", "night.plan.json", "-o", f"x.{suffix}", cwd=folder)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (folder / f"x.{suffix}").read_bytes().startswith(head)


def test_dot_goes_to_standard_output(folder: Path) -> None:
    done = tcc("diagram", "night.plan.json", "-o", "-", cwd=folder)
    assert done.stdout.decode() == to_dot(figure2())


@pytest.mark.parametrize("output", ["x.jpeg", "x", "x.", "folder/"])
def test_an_unknown_suffix_is_refused(folder: Path, output: str) -> None:
    done = tcc("diagram", "night.plan.json", "-o", output, cwd=folder)
    assert done.returncode == 2
    assert b".svg" in done.stderr and b"Traceback" not in done.stderr
    assert [p.name for p in folder.iterdir()] == ["night.plan.json"]


def test_an_output_that_cannot_be_written_is_a_fault(folder: Path) -> None:
    done = tcc("diagram", "night.plan.json", "-o", "nowhere/x.dot", cwd=folder)
    assert done.returncode == 2
    assert b"cannot be written" in done.stderr and b"Traceback" not in done.stderr


def test_a_plan_with_errors_is_reported_and_not_drawn(folder: Path) -> None:
    (folder / "bad.tc").write_text("backup group g { agent A -> R9 { B1 <- D9 } }\n")
    done = tcc("diagram", "bad.tc", cwd=folder)
    assert done.returncode == 1
    assert b"TC201" in done.stderr
    assert not (folder / "bad.svg").exists()
