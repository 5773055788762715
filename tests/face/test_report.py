"""The report for people: each golden text is what an administrator reads at three in the morning."""

import io
import re
import textwrap
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tapechain.cli.report import print_text, render_text, summary
from tapechain.dsl.diagnostics import Diagnostic, Related
from tapechain.dsl.spans import Span

PLAN = textwrap.dedent(
    """\
    plan nightly
    source home { files = "/home" }
    drive R1 { volumes = "media/R1" }

    backup group first {
      agent A1 -> R1 { B1 <- home }
      agent A2 -> R1 { B1 <- home }
    }
    """
)


def span(line: int, column: int, end_column: int, *, end_line: int | None = None, file: str = "plan.tc") -> Span:
    return Span(file, line, column, end_line or line, end_column)


def shown(*diagnostics: Diagnostic, text: str = PLAN, **texts: str) -> str:
    return render_text(diagnostics, {"plan.tc": text} | texts)


def golden(text: str) -> str:
    return textwrap.dedent(text).strip("\n") + "\n"


def test_message_place_source_carets_other_place_and_help() -> None:
    two_writers = Diagnostic(
        "TC302",
        "error",
        "drive R1 has two writers: A1 and A2",
        span(7, 15, 17),
        "give A2 a drive of its own",
        (Related("first written here", span(6, 15, 17)),),
    )
    assert shown(two_writers) == golden(
        """
        error[TC302]: drive R1 has two writers: A1 and A2
         --> plan.tc:7:15
          |
        6 |   agent A1 -> R1 { B1 <- home }
          |               -- first written here
        7 |   agent A2 -> R1 { B1 <- home }
          |               ^^
          |
          = help: give A2 a drive of its own
        """
    )


def test_near_places_share_a_snippet_with_one_line_between_shown_and_more_left_out() -> None:
    related = (Related("the drive", span(3, 7, 9)), Related("the group", span(5, 14, 19)))
    assert shown(Diagnostic("TC201", "warning", "m", span(7, 9, 11), "", related)) == golden(
        """
        warning[TC201]: m
         --> plan.tc:7:9
          |
        3 | drive R1 { volumes = "media/R1" }
          |       -- the drive
        4 |
        5 | backup group first {
          |              ----- the group
        6 |   agent A1 -> R1 { B1 <- home }
        7 |   agent A2 -> R1 { B1 <- home }
          |         ^^
        """
    )


def test_far_places_of_one_file_and_other_files_get_snippets_of_their_own() -> None:
    text = "drive R1 {}\n" + "\n" * 98 + "drive R1 {}\n"
    related = (Related("first declared here", span(1, 7, 9)), Related("included here", span(2, 1, 8, file="all.tc")))
    found = Diagnostic("TC202", "error", "R1 is declared twice", span(100, 7, 9), "", related)
    assert render_text([found], {"plan.tc": text, "all.tc": 'plan x\ninclude "plan.tc"\n'}) == golden(
        """
        error[TC202]: R1 is declared twice
           --> plan.tc:100:7
            |
        100 | drive R1 {}
            |       ^^
            |
           ::: plan.tc:1:7
            |
          1 | drive R1 {}
            |       -- first declared here
            |
           ::: all.tc:2:1
            |
          2 | include "plan.tc"
            | ------- included here
        """
    )


def test_what_is_said_of_the_place_itself_stands_behind_its_carets() -> None:
    related = (Related("A1 feeds A2", span(6, 9, 11)), Related("A2 feeds A1", span(7, 9, 11)))
    assert shown(Diagnostic("TC301", "error", "m", span(7, 9, 11), "", related)).splitlines()[3:] == [
        "6 |   agent A1 -> R1 { B1 <- home }",
        "  |         -- A1 feeds A2",
        "7 |   agent A2 -> R1 { B1 <- home }",
        "  |         ^^ A2 feeds A1",
    ]


def test_two_places_on_one_line_get_a_row_each() -> None:
    found = Diagnostic("TC203", "error", "m", span(6, 26, 30), "", (Related("agent", span(6, 9, 11)),))
    assert shown(found).splitlines()[3:] == [
        "6 |   agent A1 -> R1 { B1 <- home }",
        "  |                          ^^^^",
        "  |         -- agent",
    ]


def test_a_span_of_several_lines_is_marked_on_each_without_its_indentation() -> None:
    assert shown(Diagnostic("TC309", "error", "m", span(5, 1, 2, end_line=8))) == golden(
        """
        error[TC309]: m
         --> plan.tc:5:1
          |
        5 | backup group first {
          | ^^^^^^^^^^^^^^^^^^^^
        6 |   agent A1 -> R1 { B1 <- home }
          |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
        7 |   agent A2 -> R1 { B1 <- home }
          |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
        8 | }
          | ^
        """
    )


def test_a_long_span_shows_its_beginning_and_its_end_and_bears_its_label_once() -> None:
    found = Diagnostic("TC309", "error", "m", span(1, 1, 5), "", (Related("the whole", span(2, 1, 2, end_line=8)),))
    report = shown(found)
    assert report.count("the whole") == 1
    assert report.endswith("...\n8 | }\n  | - the whole\n")


@pytest.mark.parametrize(
    ("line", "column", "end_column", "under"),
    [
        ('source "日本語" {', 8, 13, 'source "日本語" {'.index('"')),
        ("source é {", 8, 9, 7),
        ("source e\u0301x {", 10, 11, 8),
        ("\tB1 <- x", 2, 4, 4),
        ("ab\tB1 <- x", 4, 6, 4),
    ],
)
def test_carets_stand_under_wide_combining_and_tabbed_text(line: str, column: int, end_column: int, under: int) -> None:
    report = shown(Diagnostic("TC201", "error", "m", span(1, column, end_column)), text=line + "\n")
    source, marks = report.splitlines()[3:5]
    assert marks.index("^") - len("  | ") == under
    marked = line[column - 1 : end_column - 1]
    width = sum(2 if unicodedata.east_asian_width(c) == "W" else 1 for c in marked)
    assert marks.count("^") == width
    assert "\t" not in source


def test_text_that_a_terminal_would_obey_is_shown_as_escapes_and_still_underlined() -> None:
    line = 'source "\x1b[31mred\u202e\x9b" {'
    found = Diagnostic("TC201", "error", 'no "\x1b[2J\nerror[TC999]: forged"', span(1, 8, 18), "see \x07bell\nmore")
    report = shown(found, text=line)
    assert not re.search(r"[^\n -~]", report)
    assert "\nerror[TC999]" not in report
    source, marks = report.splitlines()[3:5]
    assert source.index('"\\x1b') == marks.index("^")
    assert report.endswith("  = help: see \\x07bell\n          more\n")


def test_a_file_name_cannot_forge_lines_either() -> None:
    name = "a\nerror[TC101]: b\x1b[0m\t.tc"
    report = render_text([Diagnostic("TC201", "error", "m", Span(name, 1, 1, 1, 2))], {name: "x"})
    assert len(report.splitlines()) == 5
    assert "\x1b" not in report


@pytest.mark.parametrize("start", [0, 3, 500, 990, 4_990])
def test_a_very_long_line_is_cut_around_the_span(start: int) -> None:
    line = "x" * start + "HERE" + "y" * (5_000 - start)
    report = shown(Diagnostic("TC101", "error", "m", span(1, start + 1, start + 5)), text=line)
    source, marks = report.splitlines()[3:5]
    assert len(source) <= 4 + 112
    at = source.index("HERE")
    assert marks[at : at + 4] == "^^^^"
    assert marks.count("^") == 4
    assert ("…" in source[:at]) == (start > 100)


def test_places_far_apart_on_a_long_line_are_each_shown() -> None:
    line = "A" + "x" * 1_000 + "B"
    report = shown(
        Diagnostic("TC101", "error", "m", span(1, 1002, 1003), "", (Related("a", span(1, 1, 2)),)), text=line
    )
    rows = report.splitlines()[3:]
    assert rows[0].endswith("B")
    assert rows[0].index("B") == rows[1].index("^")
    assert rows[2].startswith("1 | Ax")
    assert rows[3] == "  | - a"


def test_a_span_longer_than_the_line_shown_is_cut_with_it() -> None:
    report = shown(Diagnostic("TC101", "error", "m", span(1, 2, 900)), text="x" * 1_000)
    assert all(len(row) <= 4 + 112 for row in report.splitlines())
    assert "^^^^" in report


def test_a_megabyte_on_one_line_costs_no_more_than_what_is_shown() -> None:
    line = "[" + "日" * 1_000_000
    report = render_text(
        [Diagnostic("TC101", "error", f"m{i}", span(1, i, i + 1)) for i in range(1, 300)], {"plan.tc": line}
    )
    assert report.count("^") >= 300


def test_the_end_of_the_text_and_an_empty_span_get_one_caret() -> None:
    report = shown(Diagnostic("TC101", "error", "end", span(9, 1, 1)))
    assert report.splitlines()[2:] == ["  |", "9 |", "  | ^"]
    behind = shown(Diagnostic("TC101", "error", "end", span(1, 13, 13)))
    assert behind.splitlines()[4] == "  |             ^"


def test_places_whose_text_is_unknown_keep_their_words() -> None:
    related = (Related("declared here", Span("gone.tc", 3, 1, 3, 4)),)
    report = render_text([Diagnostic("TC202", "error", "m", Span("lost.tc", 2, 1, 2, 4), "h", related)], {})
    assert report == golden(
        """
        error[TC202]: m
         --> lost.tc:2:1
          |
         ::: gone.tc:3:1
          = note: declared here
          |
          = help: h
        """
    )


def test_only_a_line_feed_ends_a_line() -> None:
    text = "# a\x0cb\u2028c\x85\rd\r\ndrive R1\r\n"
    report = shown(Diagnostic("TC101", "error", "m", span(2, 7, 9)), text=text)
    assert report.splitlines()[3:5] == ["2 | drive R1", "  |       ^^"]


def test_diagnostics_are_sorted_and_separated_and_not_repeated() -> None:
    a = Diagnostic("TC201", "error", "a", span(2, 1, 2))
    b = Diagnostic("TC901", "warning", "b", span(1, 1, 2))
    report = render_text([a, b, a], {"plan.tc": PLAN})
    assert [line for line in report.splitlines() if "[TC" in line] == ["warning[TC901]: b", "error[TC201]: a"]
    assert "\n\nerror[TC201]" in report


@pytest.mark.parametrize(
    ("severities", "files", "text"),
    [
        (["error"], ["plan.tc"], "1 error in plan.tc"),
        (["error", "error", "warning"], ["plan.tc"], "2 errors, 1 warning in plan.tc"),
        (["warning", "warning"], ["a.tc", "b.tc"], "2 warnings in 2 files"),
        ([], ["a.tc"], "no errors in a.tc"),
    ],
)
def test_summary(severities: list[str], files: list[str], text: str) -> None:
    found = [Diagnostic("TC101", s, str(i), span(1, 1, 2)) for i, s in enumerate(severities)]  # type: ignore[arg-type]
    assert summary(found, files) == text


def test_nothing_is_printed_where_all_is_well() -> None:
    out = io.StringIO()
    print_text([], {}, out, files=["plan.tc"])
    assert out.getvalue() == ""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("variable", "coloured"), [(None, True), ("NO_COLOR", False), ("CI", False)])
def test_colours_only_on_a_terminal_that_wants_them(
    monkeypatch: pytest.MonkeyPatch, variable: str | None, coloured: bool
) -> None:
    for name in ("NO_COLOR", "CI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    if variable:
        monkeypatch.setenv(variable, "1")
    found = Diagnostic("TC201", "error", "m", span(2, 8, 12), "h", (Related("r", span(3, 7, 9)),))
    out, plain = Terminal(), io.StringIO()
    print_text([found], {"plan.tc": PLAN}, out)
    print_text([found], {"plan.tc": PLAN}, plain)
    assert ("\x1b[1;31merror[TC201]\x1b[0m" in out.getvalue()) == coloured
    assert "\x1b" not in plain.getvalue()
    assert re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue()) == plain.getvalue()


def test_a_stream_that_cannot_hold_the_text_gets_escapes() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    print_text([Diagnostic("TC201", "error", "no source “日本”", span(1, 1, 2))], {"plan.tc": "x"}, out)
    out.flush()
    assert raw.getvalue().startswith(rb"error[TC201]: no source \u201c\u65e5\u672c\u201d")


@given(
    text=st.text(max_size=300),
    places=st.lists(
        st.tuples(st.integers(1, 12), st.integers(1, 400), st.integers(0, 6), st.integers(1, 400), st.text(max_size=9)),
        min_size=1,
        max_size=5,
    ),
    width=st.integers(1, 120),
)
def test_any_text_and_any_places_give_a_harmless_report(
    text: str, places: list[tuple[int, int, int, int, str]], width: int
) -> None:
    spans = [Span("p", line, column, line + more, end) for line, column, more, end, _ in places]
    related = tuple(Related(words[4], where) for words, where in zip(places[1:], spans[1:], strict=True))
    report = render_text([Diagnostic("TC101", "error", places[0][4], spans[0], "", related)], {"p": text}, width=width)
    assert all(c.isprintable() or c == "\n" for c in report)
    assert report.startswith("error[TC101]: ")


@pytest.mark.timeout(20)
def test_a_cycle_of_ten_thousand_hops_is_shown_whole() -> None:
    text = "agent A -> R\n" * 100_000
    hops = tuple(Related(f"hop {i}", span(i * 10 + 1, 7, 8)) for i in range(9_999, 0, -1))
    report = render_text([Diagnostic("TC301", "error", "m", span(1, 7, 8), "", hops)], {"plan.tc": text})
    assert report.count("hop ") == 9_999
    assert report.index("hop 9999\n") < report.index("hop 1\n")
