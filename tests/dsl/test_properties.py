"""Printing and parsing are each other's inverse; no text at all makes the parser raise, or wait."""

import itertools
import time
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tapechain.dsl import ast
from tapechain.dsl.ast import File
from tapechain.dsl.expected import RESERVED
from tapechain.dsl.parser import parse
from tapechain.dsl.printer import print_file
from tapechain.dsl.spans import Span

from .conftest import CHAINS, EVERYTHING, FIGURE_2, FIGURE_5

AT = Span("plan.tc", 1, 1, 1, 1)
SECONDS = 5.0

# ---------------------------------------------------------------- trees

words = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,6}", fullmatch=True) | st.sampled_from(
    ["of", "in", "all", "group", "latest", "object", "true", "planet"]
)
bare = words.filter(lambda word: word.upper() not in RESERVED or not word.islower())
literal = st.text(st.characters(exclude_characters="\r\0$", exclude_categories=["Cs"]), max_size=8)
reserved = st.sampled_from(sorted(word.lower() for word in RESERVED))
names = bare.map(lambda t: ast.Name(t, AT)) | (literal | reserved).map(lambda t: ast.Name(t, AT, quoted=True))
parts = st.lists(literal.filter(bool) | words.map(lambda w: ast.Hole(w, AT)), max_size=4).filter(
    lambda ps: all(not (isinstance(a, str) and isinstance(b, str)) for a, b in itertools.pairwise(ps))
)
strings = parts.map(lambda ps: ast.String(tuple(ps), AT))
sizes = st.integers(0, 2**63 - 1)
bounds = st.one_of(
    strings,
    (sizes | st.floats(0.001, 1e6)).map(lambda v: ast.Number(v, AT)),
    sizes.map(lambda v: ast.Size(v, AT)),
    sizes.map(lambda v: ast.Rate(v, AT)),
    sizes.map(lambda v: ast.Duration(v, AT)),
    bare.filter(lambda w: w not in {"true", "false"}).map(lambda w: ast.Reference(ast.Name(w, AT), AT)),
)
scalars = bounds | st.booleans().map(lambda v: ast.Boolean(v, AT))
values = st.recursive(
    scalars | st.builds(ast.Range, bounds, bounds, st.just(AT)),
    lambda inner: st.lists(inner, max_size=3).map(lambda vs: ast.ListValue(tuple(vs), AT)),
    max_leaves=4,
)
attributes = st.builds(ast.Attribute, words.map(lambda w: ast.Name(w, AT)), values, st.just(AT))


def some(items: st.SearchStrategy[Any], least: int = 0) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(items, min_size=least, max_size=3).map(tuple)


def built(node: type, *fields: Any) -> st.SearchStrategy[Any]:
    return st.builds(node, *fields, st.just(AT))


def is_no_selector(endpoint: ast.Endpoint) -> bool:
    return endpoint.buffer is not None or endpoint.name.quoted or endpoint.name.text != "all"


endpoints = built(ast.Endpoint, names, st.none() | names)
selectors = (
    built(ast.Selector, st.just("all"), st.none() | names)
    | built(ast.Selector, st.sampled_from(["latest", "chain"]), names)
    | built(ast.Selector, st.just("object"), names.filter(lambda n: n.quoted))
)
feeds = endpoints.filter(is_no_selector) | selectors
plain_items = (
    built(ast.Coupling, names, feeds, some(attributes))
    | built(ast.CoupleAll, names, some(attributes))
    | attributes.filter(lambda a: a.name.text != "for")
)


def loops(items: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(items, lambda inner: built(ast.For, names, values, some(inner)), max_leaves=3)


agents = built(ast.AgentDeclaration, names, st.sampled_from(["->", "<-"]), st.just(AT), names, some(loops(plain_items)))
groups = built(
    ast.Group,
    st.sampled_from(["backup", "mirror", "restore", "copy"]),
    st.just(AT),
    names,
    st.none() | names,
    some(loops(agents)),
)
conditions = built(ast.Condition, bare.map(lambda w: ast.Name(w, AT)), st.sampled_from([">=", "<=", "=="]), scalars)
plain_statements = st.one_of(
    built(ast.Plan, names, some(attributes)),
    built(ast.Include, strings),
    built(ast.Param, names, values),
    built(ast.Let, names, values),
    built(ast.Declaration, st.sampled_from(["host", "source", "drive", "pool", "target"]), names, some(attributes)),
    groups,
    built(ast.Chain, some(endpoints, 2).filter(lambda ps: len(ps) > 1)),
    built(ast.Require, some(conditions, 1), some(names)),
)
files = some(loops(plain_statements)).map(lambda ss: File("plan.tc", ss))


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(files)
def test_parsing_what_is_printed_gives_the_tree_again(file: File) -> None:
    text = print_file(file)
    again, diagnostics = parse(text, "plan.tc")
    assert diagnostics == ()
    assert again == file
    assert print_file(again) == text


def test_printing_is_idempotent_on_real_plans(plan_text: str) -> None:
    file, _ = parse(plan_text, "plan.tc")
    text = print_file(file)
    again, diagnostics = parse(text, "plan.tc")
    assert diagnostics == ()
    assert again == file
    assert print_file(again) == text
    assert max(map(len, text.splitlines())) <= 110


# ---------------------------------------------------------------- any text at all


def parse_in_time(text: str | bytes) -> None:
    began = time.process_time()
    file, diagnostics = parse(text, "plan.tc")
    assert time.process_time() - began < SECONDS
    lines = (text if isinstance(text, str) else text.decode("utf-8", "replace")).split("\n")
    for d in diagnostics:
        assert d.code in {"TC101", "TC102", "TC103", "TC105"}
        assert d.message
        for span in (d.span, *(r.span for r in d.related)):
            assert (span.line, span.column) <= (span.end_line, span.end_column)
            assert 1 <= span.line <= span.end_line <= len(lines)
            assert 1 <= span.column <= len(lines[span.line - 1]) + 1
            assert 1 <= span.end_column <= len(lines[span.end_line - 1]) + 2
    if not diagnostics:
        assert parse(print_file(file), "plan.tc") == (file, ())
    else:
        print_file(file)


SAMPLES = """ { } [ ] ( ) = , . * # " ' $ - < > : ; .. -> <- >= == => group of in all A B1 8 08 1MiB 1Gb 0.5
"x" "${n}" "\\q" é \ufffd \0 \ufeff \\ /a/b web-01 true 1..2 -1 """
tokens = st.sampled_from([*(w.lower() for w in RESERVED), *SAMPLES.split(), "\n", "\r\n", "\t", "# c\n", "\u00a0"])


@settings(max_examples=300, deadline=None)
@given(
    st.text() | st.binary() | st.lists(tokens, max_size=60).map(" ".join) | st.lists(tokens, max_size=60).map("".join)
)
def test_any_text_is_parsed_without_an_exception(text: str | bytes) -> None:
    parse_in_time(text)


edits = st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 30), st.just("") | tokens), min_size=1, max_size=5)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([FIGURE_2, CHAINS, FIGURE_5, EVERYTHING]), edits)
def test_a_mutilated_plan_is_parsed_without_an_exception(text: str, changes: list[tuple[int, int, str]]) -> None:
    for at, length, token in changes:
        place = at % (len(text) + 1)
        text = text[:place] + token + text[place + length :]
    parse_in_time(text)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([FIGURE_2, FIGURE_5, EVERYTHING]), st.integers(0, 3000))
def test_a_plan_that_is_cut_off_keeps_what_stood_before(text: str, length: int) -> None:
    whole, _ = parse(text, "plan.tc")
    length %= len(text)
    kept, _ = parse(text[:length], "plan.tc")
    lines = text[:length].split("\n")
    end = (len(lines), len(lines[-1]) + 1)
    before = [s for s in whole.statements if (s.span.end_line, s.span.end_column) < end]
    assert list(kept.statements[: len(before)]) == before
