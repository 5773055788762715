"""Whatever a plan says, the answer is a report: a place in the text, a code with a page, and never an exception."""

import io
import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tapechain.cli.formats import structured
from tapechain.cli.formats.findings import Checked, Findings
from tapechain.cli.report import print_text
from tapechain.cli.rulebook import pages
from tapechain.compiler.program import Compilation, compile_program
from tapechain.compiler.world import MemoryWorld

CODES = {page.code for page in pages()}

PLAN = """\
plan figure { record = 1MiB  depth = 8  memory = 1GiB }
let top = "/srv"
param site = "vault"
source D1 { files = ["${top}/www", "/home"]  exclude = ["*.tmp"]  size = 10GB }
source D2 { command = ["pg_dump", "-Fc", "shop"] }
drive R1 { volumes = "media/R1"  rate = 30MB/s..160MB/s }
drive R2 { tape = "/dev/nst0"  site = "${site}" }
drive R3 { discard = true }
backup group nightly {
  agent A1 -> R1 { B1 <- D1  B2 <- D2 { depth = 32 } }
}
mirror group second of nightly {
  agent A2 -> R2 { order = "object"  * <- A1 }
}
mirror group third of second { agent A3 -> R3 }
chain D1 -> A1.B1 -> A2.B1 -> A3.B1
for n in 1..3 { source "web-${n}" { stream = "/var/${n}" } }  # tcc: ignore TC901
require copies >= 2 of D1
require memory <= 1GiB
"""
WORDS = (
    "plan source drive agent group of chain require for in let include target restore copy mirror backup all R1 D1 A1"
)
SIGNS = '{ } [ ] ( ) = , . .. -> <- * >= # " ${ A2.B1 1MiB 8 0.5 6h true "R1" latest(D1) 日本 99999999999999999999'
TOKENS = [*WORDS.split(), *SIGNS.split(), "\x00", "\x1b[2J", "\t", "\r\n"]

edits = st.lists(
    st.tuples(st.integers(0, len(PLAN)), st.integers(0, 40), st.sampled_from(["", *TOKENS])), min_size=1, max_size=6
)


def mutilated(changes: list[tuple[int, int, str]]) -> str:
    text = PLAN
    for at, length, token in changes:
        text = text[:at] + (f" {token} " if token else "") + text[at + length :]
    return text


def compiled(text: str) -> Compilation:
    return compile_program("plan.tc", MemoryWorld(files={"plan.tc": text}))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(edits)
def test_a_mutilated_plan_gives_a_report_with_places_in_its_text(changes: list[tuple[int, int, str]]) -> None:
    compilation = compiled(mutilated(changes))
    for d in compilation.diagnostics:
        assert d.code in CODES
        assert d.message
        for span in (d.span, *(r.span for r in d.related)):
            lines = compilation.texts[span.file].split("\n")
            assert 1 <= span.line <= span.end_line <= len(lines)
            assert 1 <= span.column <= len(lines[span.line - 1]) + 1
            assert 1 <= span.end_column <= len(lines[span.end_line - 1]) + 2
            assert (span.line, span.column) <= (span.end_line, span.end_column)
    out = io.StringIO()
    print_text(compilation.diagnostics, compilation.texts, out)
    assert all(c.isprintable() or c == "\n" for c in out.getvalue())
    document = structured.render(Findings((Checked("plan.tc", compilation.diagnostics, compilation.texts),)))
    assert len(json.loads(document)["diagnostics"]) == len(compilation.diagnostics)
    errors = any(d.severity == "error" for d in compilation.diagnostics)
    assert (compilation.plan is None) == errors


def test_the_plan_that_is_mutilated_is_sound() -> None:
    assert not [d for d in compiled(PLAN).diagnostics if d.severity == "error"]


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_give_a_report(content: bytes) -> None:
    compilation = compile_program("plan.tc", MemoryWorld(files={"plan.tc": content}))
    print_text(compilation.diagnostics, compilation.texts, io.StringIO())
    assert {d.code for d in compilation.diagnostics} <= CODES
