"""What a hostile or huge text may cost: a diagnostic, and time in proportion to its length."""

import subprocess
import sys
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lark import Lark
from tapechain.dsl.build import MOST_NESTED
from tapechain.dsl.parser import _PIECE, LARGEST_FILE, MOST_TOKENS, _may_have_more_pieces, parse
from tapechain.dsl.printer import print_file
from tapechain.dsl.tables import grammar_text

SECONDS = 8.0


@pytest.mark.parametrize(
    "text",
    [
        "source x { a = " + "[" * 100_000,
        "for i in 1..2 {" * 5_000,
        "plan " * 20_000,
        "a <- b\na <- b\n" + " " * 400_000 + "#",
        "backup group g { agent a -> b {\n" + ("a <- b\na <- b\n" + " " * 300 + "{}\n") * 1_000 + "}}",
        "source a { " + 'a = "x"  ' * 40_000,
        ("source a { " + 'a = "x"  ' * 30 + "\n") * 300,
        '"' * 50_000,
        "#" * 100_000,
        "\0" * 100_000,
        "let x = " + "1" * 200_000,
        "let x = " + "1_" * 100_000,
        "let x = " + "a" * 200_000 + "é",
        "; " * 50_000,
        "source x { a = " + "( " * 100_000,
        "} " * 100_000,
        "let x = 1" + "." * 100_000,
        "chain a " + "-" * 100_000,
        "chain a <" + "-" * 100_000,
        'let x = "' + "\\q" * 50_000 + '"',
        'let x = "' + "${" * 50_000 + '"',
        'let x = "' + "${a}" * 50_000 + '"',
        "let x = " + "/" * 100_000,
        "let x = 1" + " " * 1_000_000,
        'let x = "' + " ) " * 50_000,
        'source "' + " ) " * 50_000,
        "source a" + "-b" * 50_000,
        "for i in 1..2 {\nsource s {}\n" * 30 + "drive R {}\n" * 2_000,
        "\n" * 500_000,
        "{" * 50_000 + "}" * 50_000,
    ],
    ids=range(30),
)
def test_no_text_takes_long(text: str) -> None:
    began = time.process_time()
    file, diagnostics = parse(text, "plan.tc")
    assert time.process_time() - began < SECONDS
    assert sum(len(d.message) + len(d.help) for d in diagnostics) < 50_000
    print_file(file)


def nested(levels: int) -> str:
    return "let x = " + "[" * levels + "]" * levels


def test_brackets_nest_to_the_limit_and_no_deeper() -> None:
    assert parse(nested(MOST_NESTED), "plan.tc")[1] == ()
    _, (diagnostic,) = parse(nested(MOST_NESTED + 1), "plan.tc")
    assert diagnostic.code == "TC101"
    assert diagnostic.message == f"brackets nested deeper than {MOST_NESTED} levels"
    assert diagnostic.span.column == len("let x = ") + MOST_NESTED + 1
    assert parse(nested(MOST_NESTED), "plan.tc")[1] == ()


def test_a_file_that_is_too_large_is_refused() -> None:
    _, (diagnostic,) = parse(b" " * (LARGEST_FILE + 1), "plan.tc")
    assert (diagnostic.code, diagnostic.message) == ("TC101", "the file is larger than 16 MiB")


def test_a_file_of_too_many_words_is_refused() -> None:
    _, (diagnostic,) = parse("x " * (MOST_TOKENS + 1), "plan.tc")
    assert (diagnostic.code, diagnostic.message) == ("TC101", "the file has more than 1,000,000 words and signs")


def test_a_large_plan_is_parsed_whole() -> None:
    text = "".join(f'source S{n} {{ files = ["/home/{n}", "/srv/{n}"]  exclude = ["*.tmp"] }}\n' for n in range(3000))
    file, diagnostics = parse(text, "plan.tc")
    assert diagnostics == ()
    assert len(file.statements) == 3000


def test_threads_may_parse_at_the_same_time(figure_2: str, figure_5: str) -> None:
    expected = {text: parse(text, "plan.tc") for text in (figure_2, figure_5)}
    wrong: list[str] = []

    def work(text: str) -> None:
        for _ in range(10):
            if parse(text, "plan.tc") != expected[text]:
                wrong.append(text)

    threads = [threading.Thread(target=work, args=(text,)) for text in (figure_2, figure_5) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
        assert not thread.is_alive()
    assert wrong == []


def test_the_grammar_alone_reads_every_plan(plan_text: str) -> None:
    bare = Lark(grammar_text(), parser="lalr", lexer="contextual")
    assert bare.parse(plan_text).data == "start"


def test_importing_the_parser_does_not_build_it() -> None:
    code = (
        "import sys, tapechain.dsl.parser, tapechain.dsl.grammar as g\n"
        "assert g.parser.cache_info().currsize == 0\n"
        "assert not {'networkx', 'sqlalchemy', 'rich', 'jinja2', 'hypothesis'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@given(st.text(alphabet='ab1_ \t\n"{<é-.\x0b\u2003#'), st.integers(0, 40))
def test_a_text_that_may_not_have_too_many_pieces_has_not(text: str, most: int) -> None:
    if len(_PIECE.findall(text)) > most:
        assert _may_have_more_pieces(text, most)
