"""``tcc fmt``: canonical form in place, and nothing that a plan says is ever lost."""

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tapechain.cli.fmt import canonical
from tapechain.cli.main import _main
from tapechain.compiler.program import Compilation, compile_program
from tapechain.compiler.world import MemoryWorld
from tapechain.runtime.plan import dumps

ROOT = Path(__file__).resolve().parents[2]
UGLY = """\
# Two disks.
plan   night{depth=4}   # small


source home {
files  =  "/home" }
drive R1{volumes="media/R1"}
backup group g{agent A->R1{B1<-home}}
"""
PRETTY = """\
# Two disks.
plan night {  # small
  depth = 4
}

source home { files = "/home" }

drive R1 { volumes = "media/R1" }

backup group g {
  agent A -> R1 { B1 <- home }
}
"""
WRONG = "source home { files => }\n"

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ugly.tc").write_text(UGLY)
    (tmp_path / "wrong.tc").write_text(WRONG)
    (tmp_path / "pretty.tc").write_text(PRETTY)
    return tmp_path


def test_a_plan_is_brought_into_canonical_form_in_silence(folder: Path, capsys: Capture) -> None:
    assert _main(["fmt", "ugly.tc"]) == 0
    assert (folder / "ugly.tc").read_text() == PRETTY
    assert capsys.readouterr() == ("", "")


def test_what_is_canonical_is_not_written(folder: Path) -> None:
    os.utime("pretty.tc", ns=(1, 1))
    before = (folder / "pretty.tc").stat()
    assert _main(["fmt", "pretty.tc"]) == 0
    after = (folder / "pretty.tc").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_check_names_what_would_change_and_writes_nothing(folder: Path, capsys: Capture) -> None:
    assert _main(["fmt", "--check", "ugly.tc", "pretty.tc"]) == 1
    out, err = capsys.readouterr()
    assert (out, err) == ("", "would reformat: ugly.tc\n")
    assert (folder / "ugly.tc").read_text() == UGLY
    assert _main(["fmt", "--check", "pretty.tc"]) == 0


def test_the_diff_is_one_that_patch_applies(folder: Path, capsys: Capture) -> None:
    (folder / "ugly.tc").write_text(UGLY.rstrip("\n"))
    assert _main(["fmt", "--diff", "ugly.tc"]) == 1
    out, err = capsys.readouterr()
    assert err == ""
    assert "\n\\ No newline at end of file\n" in out
    assert (folder / "ugly.tc").read_text() == UGLY.rstrip("\n")
    subprocess.run(["git", "apply", "-p0", "-"], input=out, text=True, check=True, timeout=60)
    assert (folder / "ugly.tc").read_bytes() == (folder / "pretty.tc").read_bytes()
    assert _main(["fmt", "--diff", "pretty.tc"]) == 0
    assert capsys.readouterr() == ("", "")


def test_the_diff_steers_no_terminal(folder: Path, capsys: Capture) -> None:
    (folder / "ugly.tc").write_text('source   D { files = "\x1b]0;owned\x07" }  # \x1b[2J\n')
    assert _main(["fmt", "--diff", "ugly.tc"]) == 1
    out = capsys.readouterr().out
    assert "\x1b" not in out and "\\x1b[2J" in out


def test_standard_input_goes_to_standard_output(folder: Path) -> None:
    run = tcc("fmt", "-", given=UGLY.encode())
    assert (run.returncode, run.stderr) == (0, b"")
    assert run.stdout == (folder / "pretty.tc").read_bytes()
    assert tcc("fmt", "-", given=run.stdout).stdout == run.stdout
    checked = tcc("fmt", "--check", "-", given=UGLY.encode())
    assert (checked.returncode, checked.stdout, checked.stderr) == (1, b"", b"would reformat: <stdin>\n")
    wrong = tcc("fmt", "-", given=WRONG.encode())
    assert (wrong.returncode, wrong.stdout) == (1, b"")
    assert b"error[TC101]" in wrong.stderr and b"<stdin>:1:" in wrong.stderr


def test_a_plan_with_syntax_errors_is_reported_and_left_alone(folder: Path, capsys: Capture) -> None:
    assert _main(["fmt", "wrong.tc", "ugly.tc"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "error[TC101]" in err and "--> wrong.tc:1:" in err
    assert (folder / "wrong.tc").read_text() == WRONG
    assert (folder / "ugly.tc").read_bytes() == (folder / "pretty.tc").read_bytes(), "the others are formatted"


@pytest.mark.parametrize("content", [b"\xff\xfeplan a", b"plan a # \xff\n", b"plan \x00 a"])
def test_what_is_no_text_is_left_alone(folder: Path, content: bytes, capsys: Capture) -> None:
    (folder / "bytes.tc").write_bytes(content)
    assert _main(["fmt", "bytes.tc"]) == 1
    assert "TC101" in capsys.readouterr().err
    assert (folder / "bytes.tc").read_bytes() == content


def test_an_unreadable_file_does_not_hide_the_others(folder: Path, capsys: Capture) -> None:
    (folder / "empty" / ".hidden").mkdir(parents=True)
    (folder / "empty" / ".hidden" / "plan.tc").write_text("no plan")
    assert _main(["fmt", "gone.tc", "empty", "wrong.tc", "ugly.tc"]) == 2
    err = capsys.readouterr().err
    assert "gone.tc cannot be read: No such file or directory" in err
    assert "the folder empty holds no .tc file" in err
    assert "TC101" in err
    assert (folder / "ugly.tc").read_bytes() == (folder / "pretty.tc").read_bytes()


def test_of_a_folder_all_plans_below_are_formatted(folder: Path, capsys: Capture) -> None:
    (folder / "plans" / "deep").mkdir(parents=True)
    (folder / "plans" / "loop").symlink_to(folder / "plans")
    for place in ("plans/a.tc", "plans/deep/b.tc", "plans/deep/c.txt", "plans/.d.tc"):
        (folder / place).write_bytes((folder / "ugly.tc").read_bytes())
    assert _main(["fmt", "--check", "plans"]) == 1
    assert capsys.readouterr().err == "would reformat: plans/a.tc\nwould reformat: plans/deep/b.tc\n"
    assert _main(["fmt", "plans/", "plans/a.tc"]) == 0
    assert _main(["fmt", "--check", "plans"]) == 0
    for place in ("plans/deep/c.txt", "plans/.d.tc"):
        assert (folder / place).read_bytes() == (folder / "ugly.tc").read_bytes()


def test_the_mode_is_kept_and_symbolic_links_stay(folder: Path) -> None:
    (folder / "real").mkdir()
    (folder / "ugly.tc").rename("real/plan.tc")
    (folder / "real/plan.tc").chmod(0o640)
    (folder / "link.tc").symlink_to("real/plan.tc")
    assert _main(["fmt", "link.tc"]) == 0
    assert (folder / "link.tc").is_symlink()
    assert (folder / "real/plan.tc").read_bytes() == (folder / "pretty.tc").read_bytes()
    assert stat.S_IMODE((folder / "real/plan.tc").stat().st_mode) == 0o640
    assert os.listdir(folder / "real") == ["plan.tc"], "nothing is left behind"


def test_a_pipe_is_not_written_over(folder: Path) -> None:
    run = subprocess.run(
        ["bash", "-c", '"$0" -m tapechain fmt <(cat ugly.tc)', sys.executable],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert run.returncode == 2
    assert "no regular file" in run.stderr


def test_line_ends_and_the_byte_order_mark_become_canonical(folder: Path) -> None:
    (folder / "dos.tc").write_bytes(b"\xef\xbb\xbf" + UGLY.replace("\n", "\r\n").encode())
    assert _main(["fmt", "dos.tc"]) == 0
    assert (folder / "dos.tc").read_bytes() == (folder / "pretty.tc").read_bytes()


# ---------------------------------------------------------------- the properties

RICH = """\
param site = "vault" let n = 3 plan rich { record = 128KiB depth = n memory = 1GiB window = 6h }
host web { address = "web.example" } pool keep { retention = 30d sessions = 2 }
source "web-01" { files = ["/srv/www", "/srv/${site}"] exclude = ["*.tmp", "cache/"] host = web tags = ["a", "b"] }
source db { command = ["pg_dump", "-Fc", "shop \\"x\\""] size = 1.5GiB rate = 30MB/s }
for i in 1..n { drive "R${i}" { volumes = "m/${i}" site = "${site}${i}" rate = 30MB/s..160MB/s pool = keep } }
drive out { discard = true }
backup group g { agent A -> "R1" { order = "object" depth = 4 B1 <- "web-01" { depth = 32 } B2 <- db } }
mirror group m of g { agent "B 2" -> "R2" { * <- A } agent C -> "R3" agent D -> out { B1 <- A.B1 } }
chain A.B1 -> C.B1 chain db -> A.B2 -> C.B2 require copies >= 2, sites >= 2 of "web-01", db
"""
PLANS = [RICH, *((ROOT / "examples" / name).read_text() for name in ("figure2.tc", "figure5.tc", "everyday.tc"))]
TOKEN = re.compile(r'"(?:[^"\\\n]|\\.)*"|#[^\n]*\n|\.\.|->|<-|>=|==|<=|[A-Za-z0-9_.]+(?:/s)?|\S')
GAPS = st.sampled_from(
    [" ", " ", "  ", "\n", "\n", "\t", "\r\n", "\n\n\n", "\n# one\n", "  # behind\n", " # a\n\n# b\n"]
)


def pieces(text: str) -> list[str]:
    """The tokens of a plan; those that a blank would part (``A124.B2``, ``30MB/s..160MB/s``) are one."""
    return [t for t in TOKEN.findall(re.sub(r'("[^"\n]*")\.', r"\1.", text)) if not t.startswith("#")]


def compiled(text: str) -> Compilation:
    return compile_program("p.tc", MemoryWorld(files={"p.tc": text}))


@pytest.mark.parametrize("text", PLANS)
def test_the_plans_of_the_properties_have_no_errors(text: str) -> None:
    assert compiled(text).plan is not None
    assert compiled(" ".join(pieces(text))).plan == compiled(text).plan


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_however_a_plan_is_laid_out_it_stays_the_same_plan(data: st.DataObject) -> None:
    tokens = pieces(data.draw(st.sampled_from(PLANS)))
    gaps = data.draw(st.lists(GAPS, min_size=len(tokens), max_size=len(tokens)))
    text = "".join(token + gap for token, gap in zip(tokens, gaps, strict=True))
    content, problems = canonical(text.encode(), "p.tc")
    assert content is not None, problems
    once = content.decode()
    assert canonical(content, "p.tc") == (content, ()), "fmt of fmt is fmt"
    before, after = compiled(text), compiled(once)
    assert before.plan is not None and after.plan is not None
    assert dumps(before.plan) == dumps(after.plan)
    assert [(d.code, d.message) for d in before.diagnostics] == [(d.code, d.message) for d in after.diagnostics]
    for word in ("one", "behind", "a", "b"):
        assert len(re.findall(rf"# {word}\n", text.replace("\r", ""))) == len(re.findall(rf"# {word}\n", once))


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_what_silences_a_warning_goes_on_to_do_so(data: st.DataObject) -> None:
    ignore = "# tcc: ignore TC901, TC902, TC903, TC904, TC905, TC906"
    lines = []
    for line in data.draw(st.sampled_from(PLANS[1:])).split("\n"):
        layout = data.draw(st.sampled_from(["", "", "", "", "above", "behind"]))
        lines += [ignore] if layout == "above" else []
        lines.append(f"{line}  {ignore}" if layout == "behind" and line.strip() and "#" not in line else line)
    text = "\n".join(lines)
    content, problems = canonical(text.encode(), "p.tc")
    assert content is not None, problems
    before, after = compiled(text).diagnostics, compiled(content.decode()).diagnostics
    assert [(d.code, d.message) for d in before] == [(d.code, d.message) for d in after]


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda t: t.encode("utf-8", "surrogatepass")))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_formatted_or_refused(content: bytes) -> None:
    result, problems = canonical(content, "p.tc")
    assert (result is None) == bool(problems)
    assert result is None or canonical(result, "p.tc") == (result, ())


def tcc(*args: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "tapechain", *args]
    return subprocess.run(command, input=given, capture_output=True, timeout=60)
