"""Canonical text: how it looks, and that comments survive it."""

from hypothesis import given, settings
from hypothesis import strategies as st
from tapechain.dsl.parser import parse
from tapechain.dsl.printer import WIDTH, print_file
from tapechain.dsl.scan import Source

from .conftest import EVERYTHING, FIGURE_2, FIGURE_5


def printed(text: str) -> str:
    file, diagnostics = parse(text, "plan.tc")
    assert diagnostics == ()
    return print_file(file)


def test_canonical_text_stays_as_it_is() -> None:
    text = """\
# Every night.

plan nightly {
  record = 1MiB  # the default
  depth = 16

  # in all
  memory = 0.5GiB
}

source D1 { files = "/home" }  # tcc: ignore TC903
source "web-01" { stream = "-"  rate = 30MB/s }

drive R1 { volumes = "media/R1" }
drive R2 { discard = true }

for n in 1..3 {
  source "s${n}" { stream = "/dev/${n}" }
}

backup group first {
  agent A -> R1 { B1 <- D1 }  # alone
  agent B -> R2 {
    order = "object"
    B1 <- D1 { depth = 32 }

    for n in [1, 2] {
      "b${n}" <- "s${n}"
    }
    # the end
  }
  agent C -> R2
}

chain D1 -> A.B1
chain D1 -> B.B1

require copies >= 2, encrypted == true of D1, "web-01"
# Nothing more.
"""
    assert printed(text) == text


def test_loose_text_becomes_canonical() -> None:
    text = """source D1{files=["/a",
      "/b",]
      # why
      exclude=[] }   plan   p  {}
      restore group g { agent A<-R{B1<-all (D1)
      B2 <- latest( D2 ) } }"""
    assert (
        printed(text)
        == """\
source D1 {
  files = ["/a", "/b"]
  # why
  exclude = []
}

plan p

restore group g {
  agent A <- R {
    B1 <- all(D1)
    B2 <- latest(D2)
  }
}
"""
    )


def test_a_block_that_is_too_long_is_opened_and_its_comment_stays_on_the_line_of_the_name() -> None:
    long = '"' + "x" * 60 + '"'
    text = f"source D1 {{ files = {long}  tags = [{long}, {long}] }} # tcc: ignore TC901\n"
    again = printed(text)
    assert again.splitlines() == [
        "source D1 {  # tcc: ignore TC901",
        f"  files = {long}",
        "  tags = [",
        f"    {long},",
        f"    {long},",
        "  ]",
        "}",
    ]
    assert max(map(len, again.splitlines())) <= WIDTH
    assert printed(again) == again


def test_comments_that_have_no_place_go_above() -> None:
    assert printed("chain D1 # one\n -> # two\n A.B # three\n") == "# one\n# two\nchain D1 -> A.B  # three\n"
    assert printed("source # one\n D1 # two\n { # three\n }") == "# one\nsource D1 {  # two\n  # three\n}\n"


def test_an_empty_file_is_empty_text() -> None:
    assert printed("") == ""
    assert printed("\n# only this\n\n") == "# only this\n"


places = st.lists(st.tuples(st.integers(0, 400), st.sampled_from([" # c\n", "\n# c\n", "\n\n# c\n\n"])), max_size=6)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([FIGURE_2, FIGURE_5, EVERYTHING]), places)
def test_comments_survive_in_their_order_and_the_tree_stays(text: str, comments: list[tuple[int, str]]) -> None:
    pieces = list(Source(text, "").all_lexemes())
    for number, (index, comment) in enumerate(comments):
        at = pieces[index % len(pieces)].start if number < 1 else text.index("\n", index % len(text))
        text = text[:at] + comment.replace("c", f"c{number}") + text[at:]
    file, diagnostics = parse(text, "plan.tc")
    assert diagnostics == ()
    again, diagnostics = parse(print_file(file), "plan.tc")
    assert diagnostics == ()
    assert again == file
    assert [c.text.strip() for c in again.comments] == [c.text.strip() for c in file.comments]
    assert print_file(again) == print_file(file)
