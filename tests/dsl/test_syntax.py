"""Every construct of the language, and the tree that it gives."""

from collections.abc import Callable
from typing import Any

import pytest
from tapechain.dsl.ast import (
    AgentDeclaration,
    Attribute,
    Boolean,
    Chain,
    Condition,
    CoupleAll,
    Coupling,
    Declaration,
    Duration,
    Endpoint,
    File,
    For,
    Group,
    Hole,
    Include,
    Let,
    ListValue,
    Name,
    Number,
    Param,
    Plan,
    Range,
    Rate,
    Reference,
    Require,
    Selector,
    Size,
    String,
)
from tapechain.dsl.expected import RESERVED
from tapechain.dsl.parser import parse
from tapechain.dsl.spans import Span

Parsed = Callable[[str], File]
NOWHERE = Span("", 1, 1, 1, 1)


def name(text: str, *, quoted: bool = False) -> Name:
    return Name(text, NOWHERE, quoted)


def string(*parts: Any) -> String:
    return String(tuple(Hole(p[1:], NOWHERE) if p.startswith("$") else p for p in parts), NOWHERE)


def attribute(key: str, value: Any) -> Attribute:
    return Attribute(name(key), value, NOWHERE)


def endpoint(first: str, buffer: str | None = None) -> Endpoint:
    return Endpoint(name(first), None if buffer is None else name(buffer), NOWHERE)


def coupling(buffer: str, feed: Any, *attributes: Attribute) -> Coupling:
    return Coupling(name(buffer), feed, attributes, NOWHERE)


def test_figure_2(parsed: Parsed, figure_2: str) -> None:
    file = parsed(figure_2)
    assert len(file.statements) == 17
    assert file.statements[0] == Plan(
        name("figure2"),
        (attribute("record", Size(1 << 20, NOWHERE)), attribute("depth", Number(8, NOWHERE))),
        NOWHERE,
    )
    assert file.statements[-2] == Group(
        "mirror",
        NOWHERE,
        name("mirror2"),
        name("mirror1"),
        (
            AgentDeclaration(
                name("A144"), "->", NOWHERE, name("R3"), (coupling("B2", endpoint("A138", "B2")),), NOWHERE
            ),
            AgentDeclaration(
                name("A146"), "->", NOWHERE, name("R6"), (coupling("B1", endpoint("A140", "B1")),), NOWHERE
            ),
        ),
        NOWHERE,
    )
    assert file.statements[-1] == Require(
        (
            Condition(name("copies"), ">=", Number(2, NOWHERE), NOWHERE),
            Condition(name("sites"), ">=", Number(2, NOWHERE), NOWHERE),
        ),
        (name("D2"), name("D6")),
        NOWHERE,
    )
    assert [comment.text for comment in file.comments] == [
        " size of one record on every volume of this plan",
        " records that one buffer memory holds",
    ]


def test_figure_5(parsed: Parsed, figure_5: str) -> None:
    file = parsed(figure_5)
    assert file.statements[0] == Plan(name("refresh"), (), NOWHERE)
    restore = file.statements[7]
    assert isinstance(restore, Group)
    assert restore.kind == "restore"
    assert restore.of is None
    assert [agent.arrow for agent in restore.body if isinstance(agent, AgentDeclaration)] == ["<-", "<-"]
    assert file.statements[-1] == Chain((endpoint("A150", "B2"), endpoint("T1")), NOWHERE)


def test_couplings_on_one_line_need_nothing_between_them(parsed: Parsed) -> None:
    (group,) = parsed("copy group c of o { agent A -> R { B1 <- A150.B2 B2 <- A152.B1 B3 <- D } }").statements
    assert isinstance(group, Group)
    (agent,) = group.body
    assert isinstance(agent, AgentDeclaration)
    assert agent.body == (
        coupling("B1", endpoint("A150", "B2")),
        coupling("B2", endpoint("A152", "B1")),
        coupling("B3", endpoint("D")),
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"a"', string("a")),
        ('""', string()),
        (r'"a\"b\\c\nd\te"', string('a"b\\c\nd\te')),
        ('"${n}"', string("$n")),
        ('"a${n}b${m}"', string("a", "$n", "b", "$m")),
        ('"$n $$ {x}"', String(("$n $$ {x}",), NOWHERE)),
        ('"# no comment"', string("# no comment")),
        ("8", Number(8, NOWHERE)),
        ("0", Number(0, NOWHERE)),
        ("0.5", Number(0.5, NOWHERE)),
        ("64KiB", Size(65536, NOWHERE)),
        ("1kB", Size(1000, NOWHERE)),
        ("0.5GiB", Size(1 << 29, NOWHERE)),
        ("30MB/s", Rate(30_000_000, NOWHERE)),
        ("90s", Duration(90, NOWHERE)),
        ("1.5h", Duration(5400, NOWHERE)),
        ("0.5s", Duration(0.5, NOWHERE)),
        ("true", Boolean(True, NOWHERE)),
        ("false", Boolean(False, NOWHERE)),
        ("truest", Reference(name("truest"), NOWHERE)),
        ("[]", ListValue((), NOWHERE)),
        ("[1]", ListValue((Number(1, NOWHERE),), NOWHERE)),
        ('["a", b,]', ListValue((string("a"), Reference(name("b"), NOWHERE)), NOWHERE)),
        ("[[1], [2]]", ListValue(tuple(ListValue((Number(n, NOWHERE),), NOWHERE) for n in (1, 2)), NOWHERE)),
        ("1..64", Range(Number(1, NOWHERE), Number(64, NOWHERE), NOWHERE)),
        ("1 .. n", Range(Number(1, NOWHERE), Reference(name("n"), NOWHERE), NOWHERE)),
        ("30MB/s..160MB/s", Range(Rate(30_000_000, NOWHERE), Rate(160_000_000, NOWHERE), NOWHERE)),
        ("0.5..1.5", Range(Number(0.5, NOWHERE), Number(1.5, NOWHERE), NOWHERE)),
    ],
)
def test_values(parsed: Parsed, text: str, value: Any) -> None:
    assert parsed(f"let x = {text}").statements == (Let(name("x"), value, NOWHERE),)
    assert parsed(f"plan p {{ x = {text} y = {text} }}").statements[0] == Plan(
        name("p"), (attribute("x", value), attribute("y", value)), NOWHERE
    )


@pytest.mark.parametrize("kind", ["host", "source", "drive", "pool", "target"])
def test_declarations(parsed: Parsed, kind: Any) -> None:
    assert parsed(f'{kind} "a b" {{}} {kind} x {{ host = y }}').statements == (
        Declaration(kind, name("a b", quoted=True), (), NOWHERE),
        Declaration(kind, name("x"), (attribute("host", Reference(name("y"), NOWHERE)),), NOWHERE),
    )


def test_include_param_let(parsed: Parsed) -> None:
    assert parsed('include "a.tc" param p = 1 let "q r" = p').statements == (
        Include(string("a.tc"), NOWHERE),
        Param(name("p"), Number(1, NOWHERE), NOWHERE),
        Let(name("q r", quoted=True), Reference(name("p"), NOWHERE), NOWHERE),
    )


@pytest.mark.parametrize(
    ("text", "feed"),
    [
        ("D1", endpoint("D1")),
        ("A.B", endpoint("A", "B")),
        ("all", Selector("all", None, NOWHERE)),
        ("all(D)", Selector("all", name("D"), NOWHERE)),
        ("latest(D)", Selector("latest", name("D"), NOWHERE)),
        ('chain("a b")', Selector("chain", name("a b", quoted=True), NOWHERE)),
        ('object("0197")', Selector("object", name("0197", quoted=True), NOWHERE)),
        ("latest", endpoint("latest")),
        ("object", endpoint("object")),
        ("object.B", endpoint("object", "B")),
        ("all.B", endpoint("all", "B")),
        ('"all"', Endpoint(name("all", quoted=True), None, NOWHERE)),
        ("allies", endpoint("allies")),
    ],
)
def test_feeds(parsed: Parsed, text: str, feed: Any) -> None:
    text = f"restore group g {{ agent A <- R {{ B <- {text} C <- {text} {{ depth = 2 }} order = 1 }} }}"
    (group,) = parsed(text).statements
    assert isinstance(group, Group)
    (agent,) = group.body
    assert isinstance(agent, AgentDeclaration)
    depth = attribute("depth", Number(2, NOWHERE))
    order = attribute("order", Number(1, NOWHERE))
    assert agent.body == (coupling("B", feed), coupling("C", feed, depth), order)


def test_for_stands_at_three_levels(parsed: Parsed) -> None:
    text = """for a in 1..2 {
      backup group "g${a}" { for b in [x, y] { agent A -> R { for in in z { B <- D * <- M depth = 1 } } } }
    }"""
    (outer,) = parsed(text).statements
    couplings = For(
        name("in"),
        Reference(name("z"), NOWHERE),
        (coupling("B", endpoint("D")), CoupleAll(name("M"), (), NOWHERE), attribute("depth", Number(1, NOWHERE))),
        NOWHERE,
    )
    agent = AgentDeclaration(name("A"), "->", NOWHERE, name("R"), (couplings,), NOWHERE)
    items = ListValue((Reference(name("x"), NOWHERE), Reference(name("y"), NOWHERE)), NOWHERE)
    group = Group(
        "backup", NOWHERE, name("g${a}", quoted=True), None, (For(name("b"), items, (agent,), NOWHERE),), NOWHERE
    )
    assert outer == For(name("a"), Range(Number(1, NOWHERE), Number(2, NOWHERE), NOWHERE), (group,), NOWHERE)


def test_an_agent_that_says_nothing_needs_no_braces(parsed: Parsed) -> None:
    with_braces = parsed("mirror group m of g { agent A -> R {} agent B -> S {} }")
    assert parsed("mirror group m of g { agent A -> R agent B -> S }") == with_braces


def test_a_plan_needs_no_block(parsed: Parsed) -> None:
    assert parsed("plan p plan q {}").statements == (
        Plan(name("p"), (), NOWHERE),
        Plan(name("q"), (), NOWHERE),
    )


@pytest.mark.parametrize("word", sorted(word.lower() for word in RESERVED))
def test_a_word_that_begins_a_statement_is_no_name_but_may_be_an_attribute(word: str) -> None:
    file, diagnostics = parse(f"source s {{ {word} = 1 }} source {word} {{}} source x {{}}", "plan.tc")
    column = len(f"source s {{ {word} = 1 }} source ") + 1
    assert [(d.code, d.span.column, d.message) for d in diagnostics] == [
        ("TC101", column, f"`{word}` is a word of the language, not a name")
    ]
    assert file.statements[0] == Declaration("source", name("s"), (attribute(word, Number(1, NOWHERE)),), NOWHERE)
    assert parse(f'source "{word}" {{}}', "plan.tc")[1] == ()


@pytest.mark.parametrize(
    "word", ["group", "of", "in", "all", "latest", "object", "true", "files", "depth", "planet", "_"]
)
def test_every_other_word_is_a_name(parsed: Parsed, word: str) -> None:
    text = f"""source {word} {{ {word} = 1 }}
    mirror group {word} of {word} {{ agent {word} -> {word} {{ {word} <- {word}.{word} {word} = 1 * <- {word} }} }}
    chain {word} -> {word}.{word}
    for {word} in 1..2 {{}}
    require {word} >= 1 of {word}, {word}"""
    assert len(parsed(text).statements) == 5


def test_reserved_words_are_the_grammars() -> None:
    for word in ("plan", "agent", "chain", "require", "host", "copy"):
        assert word.upper() in RESERVED
    assert len(RESERVED) == 17


def test_everything(parsed: Parsed, everything: str) -> None:
    kinds = [type(statement).__name__ for statement in parsed(everything).statements]
    assert len(kinds) == 13
    assert set(kinds) == {"Include", "Param", "Let", "Declaration", "Plan", "For", "Group", "Require"}


def test_an_empty_file_is_a_file(parsed: Parsed) -> None:
    for text in ("", " \n\t\r\n", "# only a comment"):
        assert parsed(text).statements == ()
