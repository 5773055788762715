"""Faults that have nothing to do with each other come out in one report, and one mistake is one diagnostic."""

import itertools

import pytest

B = "backup group g { agent A -> R1 { B1 <- D1   B2 <- D2 } }\n"
WHOLE = B + "mirror group m of g { agent C -> R2 { * <- A } }\n"

_KINDS = {
    "source": 'source S { files = "/s" }',
    "drive": 'drive S { volumes = "s" }',
    "pool": "pool S { sessions = 1 }",
    "target": 'target S { files = "/t" }',
    "host": 'host S { address = "h" }',
    "group": "backup group S { agent W -> R3 { X <- S } }",
    "agent": "backup group h { agent S -> S { X <- S  S <- D1 } }\nrequire copies >= 1 of S",
}


@pytest.mark.parametrize(("one", "other"), [*itertools.permutations(_KINDS, 2)])
def test_a_name_that_two_kinds_bear_is_reported_and_no_crash(check, one, other) -> None:
    uses = "mirror group n of S { agent V -> S { * <- S  X <- S.X } }\nchain S -> S.S -> S\n"
    for text in (f"{_KINDS[one]}\n{_KINDS[other]}\n", f"{_KINDS[one]}\n{_KINDS[other]}\n{uses}"):
        assert "TC202" in check(WHOLE + text).codes


@pytest.mark.parametrize(
    "broken",
    [
        "require copies >= 2, sites >= 2 of D1,",
        "require sites == 2 of D1, copies <= 1 of D2",
        "require copies != 2",
        "require copies 2",
        "require",
        "let x =",
        "param x 5",
        "plan p { depth 9 }",
        "plan p { depth = = }",
    ],
)
def test_a_broken_statement_without_couplings_hides_no_promise_that_is_not_kept(check, broken) -> None:
    checked = check(f"{WHOLE}{broken}\nrequire copies >= 3\n")
    assert checked.codes.count("TC401") == 1, checked.messages
    assert "TC101" in checked.codes


@pytest.mark.parametrize("broken", ["s -> A.B3", "require copies >= 2 of D1 -> A.B3", "blah blah"])
def test_what_may_be_a_coupling_does_hide_it(check, broken) -> None:
    assert "TC401" not in check(f"{WHOLE}{broken}\nrequire copies >= 3\n").codes


def test_a_syntax_error_in_the_plan_hides_its_memory_only(check) -> None:
    text = WHOLE + "require copies >= 3, memory <= 64KiB\n"
    assert check("plan p { depth = 9 memory = 64KiB }\n" + text).codes == ["TC501", "TC401", "TC401"]
    assert check("plan p { depth 9 memory = 64KiB }\n" + text).codes == ["TC101", "TC401"]


def test_a_promise_about_a_source_that_another_fault_took_away_says_nothing_more(check) -> None:
    checked = check(
        'agent S { files = "/s" }\nbackup group h { agent S2 -> R3 { X <- S } }\nrequire copies >= 2 of S\n'
    )
    assert "TC101" in checked.codes


def test_a_star_in_a_circle_is_said_once(check) -> None:
    checked = check(B + "mirror group m of g { agent C -> R2 { * <- C  B1 <- A.B1 } }")
    assert checked.codes == ["TC301"], checked.messages
    both = "mirror group m of n { agent C -> R2 { * <- E } }\nmirror group n of m { agent E -> R3 { * <- C } }"
    assert check(B + both).codes == ["TC301"]


def test_a_star_of_nobody_knows_what_is_said_once_down_the_stages(check) -> None:
    checked = check(
        B
        + "mirror group m of g { agent C -> R2 { * <- «Z» } }\n"
        + "mirror group n of m { agent E -> R3 { * <- C  X <- C.B9 } }"
    )
    assert checked.codes == ["TC201"], checked.messages
    assert checked.places == checked.marks


def test_only_names_of_the_right_kind_are_suggested(check) -> None:
    messages = check(
        "backup group g { agent AA -> aa { B1 <- D1 } }\nmirror group gg of AAA { agent C -> R2 { * <- AA } }"
    )
    assert "did you mean `AA`" not in messages.messages
    assert "the drives are R1, R2" in messages.messages


def test_a_recorded_source_is_suggested_to_a_promise(check) -> None:
    text = "restore group o { agent A <- R1 { B1 <- mail } }\ncopy group c of o { agent C -> R2 { * <- A } }\n"
    assert "did you mean `mail`?" in check(text + "require copies >= 1 of mial").messages


def test_a_variable_where_a_host_belongs_is_told_how(check) -> None:
    text = 'for h in ["n1"] { host "${h}" { address = h }  source "s-${h}" { files = "/s" host = h } }\n'
    checked = check(text + WHOLE)
    assert 'for the value of the variable write "${h}", in quotes' in checked.messages
    assert "TC201" not in check(text.replace("host = h ", 'host = "${h}" ') + WHOLE).codes


def test_a_let_in_a_loop_is_told_where_it_belongs(check) -> None:
    checked = check("for i in 1..2 { let «a» = i }\n" + WHOLE)
    assert checked.codes == ["TC202"]
    assert "each iteration would declare the variable a again" in checked.messages


def test_beside_a_loop_that_is_too_long_the_others_ranges_are_looked_at(check) -> None:
    text = "for i in 1..9999999 { host x { } }\nfor i in 5..1 { }\nfor i in 3 { }\n"
    assert check(text + WHOLE).codes == ["TC207", "TC207", "TC206"]


def test_two_agents_of_one_name_are_told_so(check) -> None:
    checked = check("backup group g { agent A -> R1 { B1 <- D1 }  agent A -> R1 { B2 <- D2 } }")
    assert checked.codes == ["TC202", "TC302"]
    assert "two agents called A write R1" in checked.messages
