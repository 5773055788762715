"""The quick parser and Lark's make the same of every text: trees, places, comments and complaints."""

import json
import pickle
import subprocess
import sys
from dataclasses import FrozenInstanceError, fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lark import Lark
from lark.exceptions import UnexpectedInput
from tapechain.dsl import lines as many_lines
from tapechain.dsl import pieces, quick, tables, with_lark
from tapechain.dsl.decode import decode
from tapechain.dsl.parser import parse
from tapechain.dsl.pieces import Memory
from tapechain.dsl.printer import print_file
from tapechain.dsl.twins import TWINS

from .conftest import CHAINS, EVERYTHING, FIGURE_2, FIGURE_5
from .test_properties import edits, files, tokens

BARE = Lark(tables.grammar_text(), parser="lalr", lexer="contextual")
SHIPPED = Path(tables.__file__).with_name("tables.json")


def everything(result: Any) -> str:
    """All of a parse's result, with places (which trees leave out where they are compared)."""
    return repr(result)


def by_lark(text: str) -> Any:
    plain, found = decode(text, "plan.tc")
    assert plain is not None
    return with_lark.parse_with_lark(plain, "plan.tc", found)


def is_grammatical(text: str | None) -> bool:
    try:
        BARE.parse(text or "")
    except UnexpectedInput:
        return False
    return True


def same(text: str) -> bool:
    """Whether both take the text; where one of them does, so does the other, and they agree."""
    plain, found = decode(text, "plan.tc")
    quickly = None
    if plain is not None and not found:
        quickly = pieces.parse_pieces(quick.quick_parser(), plain, "plan.tc", None)
    expected = by_lark(text)
    assert everything(parse(text, "plan.tc")) == everything(expected)
    assert (quickly is not None) == (is_grammatical(plain) and not found), text
    return quickly is not None


def test_real_plans_are_parsed_alike(plan_text: str) -> None:
    assert same(plan_text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "# only a remark",
        "# one\r\nplan p # two\r\n",
        "plan p",
        "plan p\n\n  {}\n",
        "plan p {\nsource = 1\n}\n",
        "plan p {\nplan = 1\nhost = 2 }",
        "include \"a\"\ninclude 'b'",
        "chain a\n-> b",
        "require copies >= 1\nof a,\nb",
        "let x = [1,\n2,\n]\nlet y = 1..x",
        'let x = "\\q ${} ${a"\nlet y = 99999999999999999999TiB',
        "backup group g {\n agent a -> b\n agent c -> d {}\n}\n}",
        "source all { files = all }",
        "backup group group { agent of -> in { all <- all  latest <- latest.object  object <- chain(all) } }",
        "restore group true { agent false <- true { true <- all(false) { as_of = true } * <- all } }",
        "let of = of\nlet allx = truex",
        'source a{files="b"}drive b{tape="c"}',
        "\tplan\tp\f\n",
        "plan p\rdrive R {}",
        "plan é",
        "plan pé",
        "let x = 1kB.5",
        "let x = 1..2..3",
        "let x = 0.5 .5",
        "let x == 1",
    ],
)
def test_corners_are_parsed_alike(text: str) -> None:
    same(text)


@settings(max_examples=200, deadline=None)
@given(files)
def test_every_tree_is_parsed_alike(file: Any) -> None:
    assert same(print_file(file))


@settings(max_examples=300, deadline=None)
@given(st.lists(tokens, max_size=40).map(" ".join) | st.lists(tokens, max_size=40).map("".join) | st.text())
def test_any_text_is_parsed_alike(text: str) -> None:
    same(text)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([FIGURE_2, CHAINS, FIGURE_5, EVERYTHING]), edits)
def test_mutilated_plans_are_parsed_alike(text: str, changes: list[tuple[int, int, str]]) -> None:
    for at, length, token in changes:
        place = at % (len(text) + 1)
        text = text[:place] + token + text[place + length :]
    same(text)


# ---------------------------------------------------------------- many lines at a time

WORDS = st.sampled_from(
    ["a", "B1", "_x", "all", "latest", "object", "of", "in", "true", "source", "for", "plan", "pool"]
)
LINES = st.sampled_from(
    [
        "{0} <- {1}",
        "{0} <- {1}.{2}",
        "{0} <- {1}.{2} # why",
        '"{0}" <- "{1}"."{2}"',
        '"{0} -" <- {1}."{2}.x"',
        '"${{i}}" <- {1}',
        "{0} <-{1}",
        "{0} <- {1} {{ depth = 3 }}",
        "{{ depth = 4 }}",
        "depth = 2",
        "* <- {0}",
        '"{0}" <- {1}',
        'source {0} {{ {1} = "x" }}',
        'source {0} {{ {1} = "x"  {2} = ["*.tmp", "b"] }}',
        'drive {0} {{ {1} = "" }}',
        'drive {0} {{ {1} = "${{a}}" {2} = "\\n" }}',
        "drive {0} {{ {1} = [] }}",
        "pool {0} {{ {1} = 2d  {2} = 1.5GiB }}",
        "drive {0} {{ host = {1}  pool = true  {2} = 9999999999999999999999TB }}",
        'drive "{0} 1" {{ {1} = 30MB/s  {2} = 0 }}',
        "target {0} {{ {1} = 1.2.3 }}",
        "host {0} {{ {1} = 1..2 }}",
        "agent {0} -> {1} {{",
        "backup group {0} {{",
        "for {0} in 1..2 {{",
        "}}",
        "}}",
        "",
        "chain {0} -> {1}",
        "require copies >= 1",
        "let {0} = {1}",
    ]
)
INDENT = st.sampled_from(["", "", "  ", "\t", " \f"])
ENDS = st.sampled_from(["\n", "\n", "\n", "\n", "\r\n", " \n", "\n\n"])


@st.composite
def lined(draw: st.DrawFn) -> str:
    """Runs of lines of one shape, most of them such as are read many at a time."""
    text = draw(st.sampled_from(["", "plan p\n", "backup group g { agent a -> b {\n", "for i in 1..2 {\n"]))
    for _ in range(draw(st.integers(1, 6))):
        line, indent, end = draw(LINES), draw(INDENT), draw(ENDS)
        for _ in range(draw(st.integers(1, 4))):
            text += indent + line.format(draw(WORDS), draw(WORDS), draw(WORDS)) + end
    return text + draw(st.sampled_from(["", "}", "}}", "} }\n", "} agent a -> b {\n x <- y\n z <- y\n }}"]))


@settings(max_examples=400, deadline=None)
@given(lined())
def test_lines_of_one_shape_are_parsed_alike(text: str) -> None:
    same(text)


PLENTY = (
    'source D1 { files = "/srv/1"  exclude = ["*.tmp", "a b", ""] }\n'
    'source D2 { files = "" }\nsource "D-3" { files = "x"  rate = 30MB/s one_file_system = true }\n'
    'drive R1 { volumes = "m/1"  host = h }\ndrive R2 { volumes = "m/2" }\n'
    "backup group g {\n  agent A -> R1 {\n    B1 <- D1\n\tB2 <- D2\n  B3 <- D3\n  B4 <- D3\n  { depth = 3 }\n }\n}\n"
    "mirror group m of g {\n  agent A2 -> R2 {\n    B1 <- A.B1\n    B2 <- A.B2\n    B3 <- A.B3 }\n}\n"
)


def test_lines_are_read_many_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = {"couplings": 0, "declarations": 0}
    for name in ("couplings", "declarations"):
        read = getattr(many_lines, name)

        def counted(*arguments: Any, read: Any = read, name: str = name) -> Any:
            found = read(*arguments)
            taken[name] += len(found or ())
            return found

        monkeypatch.setattr(many_lines, name, counted)
    assert parse(PLENTY, "plan.tc")[1] == ()
    # All but those that begin a list, and those before something else.
    assert taken == {"couplings": 3, "declarations": 4}
    monkeypatch.undo()
    assert same(PLENTY)


@settings(max_examples=300, deadline=None)
@given(edits)
def test_mutilated_lines_are_parsed_alike(changes: list[tuple[int, int, str]]) -> None:
    text = PLENTY
    for at, length, token in changes:
        place = at % (len(text) + 1)
        text = text[:place] + token + text[place + length :]
    same(text)


@pytest.mark.parametrize("node", TWINS, ids=lambda node: node.__name__)
def test_a_twin_makes_what_the_class_makes(node: Any) -> None:
    values = [f"{n}" for n in range(len(fields(node)))]
    made, expected = TWINS[node](*values), node(*values)
    assert type(made) is node
    assert (made, repr(made), hash(made)) == (expected, repr(expected), hash(expected))
    assert pickle.loads(pickle.dumps(made)) == expected == replace(made)
    with pytest.raises(FrozenInstanceError):
        made.span = None


# ---------------------------------------------------------------- what is shipped


def test_the_shipped_table_is_the_grammars() -> None:
    """Mend it with ``tools/make-tables``."""
    assert json.loads(SHIPPED.read_text()) == json.loads(json.dumps(tables.from_lark(tables.grammar_text())))


def test_a_table_of_another_grammar_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    other = tables.grammar_text().replace("EQUAL: /=(?![=>])/", 'EQUAL: ":"')
    monkeypatch.setattr(tables, "grammar_text", lambda: other)
    tables.digest.cache_clear()
    tables.tables.cache_clear()
    try:
        parser = quick.QuickParser()
    finally:
        monkeypatch.undo()
        tables.digest.cache_clear()
        tables.tables.cache_clear()
    assert parser.parse("let x : 1", "plan.tc") is not None
    assert parser.parse("let x = 1", "plan.tc") is None


def test_a_plan_without_syntax_errors_needs_no_lark() -> None:
    code = (
        "import sys\nfrom tapechain.dsl.parser import parse\n"
        f"assert parse({EVERYTHING!r}, 'plan.tc')[1] == ()\nassert 'lark' not in sys.modules, sys.modules\n"
        "parse('plan', 'plan.tc')\nassert 'lark' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# ---------------------------------------------------------------- what is remembered

LONG = (
    FIGURE_2
    + "backup group long {\n"
    + "".join(
        f"  agent L{a} -> R{a} {{  # the {a}th\n" + "".join(f"    B{n} <- D{n}\n" for n in range(20)) + "  }\n\n"
        for a in range(10)
    )
    + "}\n# the end\n"
    + CHAINS
)


def parsed(text: str, memory: Memory) -> int:
    """How many pieces were parsed; the result is that of a parse that remembers nothing."""
    before = memory.parsed
    assert everything(parse(text, "plan.tc", memory)) == everything(parse(text, "plan.tc"))
    return memory.parsed - before


def test_what_was_parsed_is_not_parsed_again() -> None:
    memory = Memory()
    assert parsed(LONG, memory) > 20
    assert parsed(LONG, memory) == 0
    assert parsed(LONG.replace('"/srv/mail"', '"/srv/post"'), memory) == 1
    assert parsed(LONG.replace("the 7th", "the seventh"), memory) == 2
    assert parsed(LONG.replace("B7 <- D7", "B7 <- D8", 1), memory) <= 2


def test_a_syntax_error_does_not_make_it_forget() -> None:
    memory = Memory()
    parsed(LONG, memory)
    broken = LONG.replace('"/srv/mail"', '"/srv/mail')
    parsed(broken, memory)
    assert parsed(LONG, memory) <= 1


def test_lines_that_move_are_where_they_are() -> None:
    memory = Memory()
    parsed(LONG, memory)
    parsed("\n" + LONG, memory)
    parsed(LONG.replace("source D3", "\n\nsource D3"), memory)
    parsed(LONG.replace("  agent L7", "\n  agent L7"), memory)


def test_files_do_not_share_what_they_hold() -> None:
    memory = Memory()
    parse("plan p", "one.tc", memory)
    file, _ = parse("plan p", "two.tc", memory)
    assert file.statements[0].span.file == "two.tc"


def test_a_memory_is_bounded() -> None:
    memory = Memory()
    for n in range(2 * pieces.MOST_FILES):
        parse("plan p", f"{n}.tc", memory)
    assert len(memory.files) <= pieces.MOST_FILES + 1
    for n in range(50):
        parse(f"plan p{n}", "one.tc", memory)
    assert len(memory.files["one.tc"]) <= 2


lines = st.lists(
    st.tuples(
        st.integers(0, 250),
        st.sampled_from(["", "\n", "source N { files = 1 }\n", "}\n", "  agent X -> Y\n", "B <- D\n"]),
    ),
    max_size=4,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(lines, min_size=1, max_size=4))
def test_any_edits_give_what_a_fresh_parse_gives(steps: list[list[tuple[int, str]]]) -> None:
    memory = Memory()
    for step in steps:
        text = LONG.splitlines(keepends=True)
        for at, line in step:
            text[at % len(text)] = line
        parsed("".join(text), memory)
