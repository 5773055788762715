"""Words and mends: nothing that the language has is without words, and each mend mends."""

import re
from pathlib import Path

import pytest
from tapechain.cli.language import attribute_words
from tapechain.cli.language.book import Book, page
from tapechain.cli.language.complete import complete
from tapechain.cli.language.context import context
from tapechain.cli.language.mends import mends
from tapechain.cli.language.positions import Text
from tapechain.cli.language.rename import applied
from tapechain.compiler.attributes import ATTRIBUTES
from tapechain.compiler.metrics import PLAN_METRICS, SOURCE_METRICS
from tapechain.compiler.program import compile_program
from tapechain.compiler.world import MemoryWorld
from tapechain.dsl.diagnostics import Diagnostic

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs" / "rules").glob("*.md"))
ALL = [(kind, name) for kind, known in ATTRIBUTES.items() for name in known]


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_every_attribute_has_a_purpose_and_says_what_it_takes(kind: str, name: str) -> None:
    said = attribute_words.described(kind, name)  # type: ignore[arg-type]
    assert re.fullmatch(r"[^\n]+\n\nTakes [^\n]+\.", said)


def test_ranges_are_those_that_the_compiler_keeps() -> None:
    assert attribute_words.takes("plan", "record") == "a size, such as `1MiB`; 64KiB..16MiB, a multiple of 512 bytes"
    assert attribute_words.takes("agent", "depth") == "a whole number, 2..1024"
    assert attribute_words.takes("source", "level") == '`"full"` or `"incremental"`'
    assert attribute_words.METRICS.keys() == SOURCE_METRICS.keys() | PLAN_METRICS.keys()


def test_no_purpose_is_of_an_attribute_that_there_is_not() -> None:
    known = set(ALL) | {("*", name) for _, name in ALL}
    assert set(attribute_words.PURPOSE) <= known


def plans(document: Path) -> list[str]:
    return re.findall(r"^```tc\n(.*?)^```", document.read_text(), flags=re.M | re.S)


ONE = 'source home { files = "/" }\ndrive R { volumes = "v" }\nbackup group g { agent A -> R { B <- home } }'
MENDED = {
    "TC105": ("let user = 1\nsource a { files = \"/${usr}\" }", "/${user}"),
    "TC201": (ONE.replace("<- home", "<- hom"), "<- home"),
    "TC201 ": (
        "source d { files = \"/\" }\ndrive R { volumes = \"v\" }\ndrive S { volumes = \"w\" }\n"
        "backup group g { agent A -> R { Buffer <- d } }\nmirror group m of g { agent M -> S { B <- A.Bufer } }",
        "A.Buffer",
    ),
    "TC204": ("source a { files = \"/\"  exlude = [] }", "exclude = []"),
    "TC207": ("plan x { on_failure = \"abrt\" }", '"abort"'),
    "TC306": (ONE.replace("->", "<-"), "A -> R"),
    "TC901": ("source a { files = \"/\" }  # mine", "# mine  # tcc: ignore TC901"),
    "TC902": ("drive a { volumes = \"/\" }\n", "}  # tcc: ignore TC902\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", MENDED)
def test_mends_mend(name: str) -> None:
    text, expected = MENDED[name]
    code = name.strip()
    found = [d for d in check(text) if d.code == code]
    assert found
    (mend, *_) = mends(found[0], Text(text))
    after = applied([mend.edit], {"p.tc": text})["p.tc"]
    assert expected in after
    assert code not in [d.code for d in check(after)]


def check(text: str) -> tuple[Diagnostic, ...]:
    return compile_program("p.tc", MemoryWorld({"p.tc": text})).diagnostics


@pytest.mark.parametrize("document", PAGES, ids=lambda path: path.stem)
def test_every_mend_of_the_rule_book_takes_its_diagnostic_away(document: Path) -> None:
    """Whatever is offered for the wrong plans of the pages: made, it leaves fewer of that code, and no new code."""
    for text in plans(document):
        before = check(text)
        for diagnostic in before:
            for mend in mends(diagnostic, Text(text)):
                after = check(applied([mend.edit], {"p.tc": text})["p.tc"])
                codes = [d.code for d in after]
                assert codes.count(diagnostic.code) < [d.code for d in before].count(diagnostic.code), mend
                if not mend.sure:
                    assert set(codes) <= {d.code for d in before}


def offers(text: str) -> list[str]:
    at = text.index("|")
    whole = text.replace("|", "", 1)
    book = Book({"p.tc": page("p.tc", whole)})
    return [c.label for c in complete(whole, at, book, ["other.tc"])]


RESTORE = """source D1 { files = "/" }
drive R1 { volumes = "a" }
drive R2 { volumes = "b" }
target T { files = "t" }
host web { address = "x" }
restore group old { agent A1 <- R1 { B1 <- D1 } }
copy group new of old { agent A2 -> R2 { B1 <- A1.B1 } }
"""


@pytest.mark.parametrize(
    ("text", "some", "none"),
    [
        ("restore group old { agent A <- R1 { B1 <- | } }", ["latest", "chain", "D1"], ["R1", "A1.B1"]),
        ("restore group o { agent A <- R1 { B1 <- all(|) } }", ["D1"], ["latest"]),
        ("restore group o { agent A <- R1 { B1 <- D1 { | } } }", ["as_of", "depth"], ["files"]),
        ("backup group o { agent A -> R1 { B1 <- D1 { | } } }", ["depth"], ["as_of"]),
        ("copy group o of |", ["old", "new"], ["o"]),
        ("mirror group o of |", [], ["old", "new"]),
        ("chain A1.B1 -> |", ["T", "A2.B1"], ["D1", "R1"]),
        ("chain |", ["D1", "A1.B1"], ["T"]),
        ("source x { host = | }", ["web"], ["D1"]),
        ('source x { host = "| }', ["web"], []),
        ("source x { files = \"a\" compress = | }", ['"zstd"'], []),
        ("plan p { window = 6| }", ["6h", "6d"], ["6MiB"]),
        ("drive x { rate = 3| }", ["3MB/s"], ["3MB"]),
        ("require copies | 2", [">="], []),
        ("require encrypted |", ["=="], [">="]),
        ("require copies >= 2 of |", ["D1"], ["A1", "T"]),
        ("for i in 1..3 { source \"S${|\" {} }", ["i"], ["D1"]),
        ("include \"|\"", ["other.tc"], []),
        ("let x = 3\nplan p { depth = | }", ["x"], []),
        ("backup group g { |", ["agent", "for"], ["source"]),
        ("backup group g { agent A |", ["->"], ["<-"]),
        ("restore group g { agent A |", ["<-"], ["->"]),
        ("|", ["plan", "chain"], ["agent"]),
        ("source x { files = [\"a\", | ] }", [], ["exclude", "files"]),
        ("source x { files = [\"a\"] | }", ["exclude"], ["files", "stream"]),
        ("pool p { retention = 2d } drive x { pool = | }", ["p"], ["web"]),
        ("# |", [], ["plan"]),
    ],
)  # fmt: skip
def test_what_is_offered_where(text: str, some: list[str], none: list[str]) -> None:
    got = offers(RESTORE + text)
    assert set(some) <= set(got)
    assert not set(none) & set(got)


def test_a_context_is_found_in_any_text() -> None:
    for text in (
        '"',
        "{{{{",
        "}}}}",
        "a = = =",
        "for for for {",
        "agent -> {",
        "mirror group of of {",
        "of",
        "\\",
        '"\\',
    ):
        for offset in range(len(text) + 1):
            context(text, offset)
