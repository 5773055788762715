"""One report says every independent fault, and nothing that only follows from another."""

import pytest

B = "backup group g { agent A -> R1 { B1 <- D1   B2 <- D2 } }\n"
M = "mirror group m of g { agent C -> R2 { * <- A } }\n"

FIGURE2 = """
source D1 { files = "/1" } source D2 { files = "/2" } source D3 { files = "/3" }
drive R1 { volumes = "1" } drive R2 { volumes = "2" } drive R3 { volumes = "3" }
backup group g { agent A -> R1 { B1 <- D1 B2 <- D2 B3 <- D3 } }
mirror group m of g { agent C -> R2 { B1 <- A.B1 B2 <- A.B2 B3 <- A.B3 } }
mirror group n of m { agent E -> R3 { * <- C } }
require copies >= 3
"""


def test_the_plan_that_is_broken_below_is_sound(check) -> None:
    assert check(FIGURE2, head=False).codes == []


@pytest.mark.parametrize(
    ("sound", "broken", "code"),
    [
        ("B2 <- D2", "B2 <- D22", "TC201"),
        ("B2 <- D2", "B2 <- Nothing", "TC201"),
        ("B2 <- D2", "B2 <- R1", "TC203"),
        ("B2 <- A.B2", "B2 <- A.B9", "TC201"),
        ("B2 <- A.B2", "B2 <- Q.B2", "TC201"),
        ("B2 <- A.B2", "B2 <- C.B2", "TC301 TC304"),
        ("B2 <- A.B2", "B2 <- D2", "TC203"),
        ("agent A -> R1", "agent A -> R7", "TC201"),
        ("agent A -> R1", "agent A -> D1", "TC203"),
        ("agent C -> R2", "agent C -> R1", "TC302"),
        ("agent C -> R2", "agent C <- R2", "TC306"),
        ("agent E -> R3", "agent E -> R1", "TC302"),
        ("of g", "of gg", "TC201"),
        ("of g", "of A", "TC203"),
        ("{ * <- C }", "{ }", "TC309"),
        ("{ agent E -> R3 { * <- C } }", "{ }", "TC309"),
        ("B2 <- D2", "B2 <- D2 B2 <- D3", "TC303"),
        ('drive R3 { volumes = "3" }', 'drive R3 { volume = "3" }', "TC204"),
        ('drive R3 { volumes = "3" }', "drive R3 { volumes = 3 }", "TC206"),
        ('drive R3 { volumes = "3" }', 'drive R3 { volumes = "./3/../2" }', "TC308"),
        ('drive R3 { volumes = "3" }', 'drive R1 { volumes = "3" }', "TC201 TC202"),
        ('drive R3 { volumes = "3" }', 'drive R3 { volumes = "${x}" }', "TC105"),
        ('drive R3 { volumes = "3" }', 'drive "R${x}" { volumes = "3" }', "TC105"),
        ('drive R3 { volumes = "3" }', "drive R3 { volumes = 3K }", "TC103"),
        ('drive R3 { volumes = "3" }', 'drive R3 volumes = "3" }', "TC101"),
        ("B2 <- D2", "B2 D2", "TC101"),
        ("B2 <- A.B2", "B2 A.B2", "TC101"),
        ("B2 <- D2", 'B2 <- D2 order "object"', "TC101"),
        ("{ * <- C }", "{ * C }", "TC101"),
        ("require copies", 'include "x.tc" require copies', "TC104"),
        ("require", "chain D1 -> A.B1 -> R2\nrequire", "TC312"),
    ],
)
def test_one_fault_is_one_report(check, sound, broken, code) -> None:
    assert sound in FIGURE2
    checked = check(FIGURE2.replace(sound, broken, 1), head=False)
    assert sorted(set(checked.codes)) == code.split(), checked.messages
    assert len(checked.codes) <= 2, checked.messages


def test_many_faults_are_one_report(check) -> None:
    checked = check(
        """
plan p { record = 1 depth = 5000 nonsense = 1 }
source A1 { files = "/a" stream = "-" }
source A1 { files = "/b" }
source Unread { files = "/c" }
drive S1 { volumes = "s1" }
drive S2 { volumes = "./s1" }
drive S3 { }
backup group h {
  agent W1 -> S1 { B1 <- D1   B1 <- D2 }
  agent W2 -> S1 { B1 <- Nix }
  agent W3 <- S3 { B1 <- D2 }
}
include "gone.tc"
"""
    )
    # What the missing file may declare is not said to be missing: Nix is no TC201, Unread no TC901.
    assert sorted(checked.codes) == sorted(
        ["TC104", "TC202", "TC204", "TC205", "TC205", "TC206", "TC207", "TC302", "TC303", "TC306", "TC308"]
    ), checked.messages


def test_unknown_names_show_the_nearest_of_the_right_kind_first(check) -> None:
    text = 'drive Web { volumes = "w" }\nsource web1 { files = "/w" }\n'
    assert "did you mean `web1`?" in check(text + "backup group g { agent A -> R1 { B1 <- Web1 } }").messages
    assert "did you mean `Web`?" in check(text + "backup group g { agent A -> web { B1 <- web1 } }").messages


def test_a_name_used_in_many_places_is_reported_at_each_of_them(check) -> None:
    checked = check("backup group g { agent A -> R1 { B1 <- X }  agent C -> R2 { B1 <- X } }")
    assert checked.codes == ["TC201", "TC201"]


def test_a_cycle_shows_its_whole_path_with_each_hop(check) -> None:
    checked = check(
        "mirror group m1 of m3 { agent X -> R1 { B1 <- Z.B1 } }\n"
        "mirror group m2 of m1 { agent Y -> R2 { B2 <- X.B1 } }\n"
        "mirror group m3 of m2 { agent Z -> R3 { B1 <- «Y.B2» } }\n"
    )
    (cycle,) = checked.compilation.diagnostics
    assert "Z.B1 -> X.B1 -> Y.B2 -> Z.B1" in cycle.message
    assert [(r.span.line, r.span.column) for r in cycle.related] == [(6, 47), (7, 47), (8, 47)]
    assert checked.places == checked.marks


def test_two_cycles_are_two_reports(check) -> None:
    checked = check(
        "mirror group m of m { agent X -> R1 { B1 <- X.B1  B2 <- X.B3  B3 <- X.B2 } }",
    )
    assert checked.codes == ["TC301", "TC301"]


def test_where_two_places_are_at_fault_the_earlier_is_related(check) -> None:
    checked = check(B + "mirror group m of g { agent C -> «R1» { * <- A } }")
    (found,) = checked.compilation.diagnostics
    assert checked.places == checked.marks
    assert [(r.span.line, r.span.column) for r in found.related] == [(6, 29)]


def test_warnings_are_silenced_at_the_end_of_the_line_or_on_the_line_above(check) -> None:
    source = 'source S { files = "/s" }'
    for text in (
        f"{source} # tcc: ignore TC901\n",
        f"# tcc: ignore TC901\n{source}\n",
        f"   #tcc: ignore TC903, TC901 because it is new\n{source}\n",
        f"# tcc: ignore TC901\n# more words\n{source}\n",
        f"{source} # scratch only  # tcc: ignore TC901\n",
    ):
        assert check(text + B).codes == [], text
    for text in (
        f"{source} # tcc: ignore TC902\n",
        f'drive R9 {{ volumes = "9" }} # tcc: ignore TC901, TC902\n{source}\n',
        f"# tcc: ignore TC901\n\n{source}\n",
        f"{source}\n# tcc: ignore TC901\n",
        f"{source} # ignore TC901\n",
    ):
        assert check(text + B).codes == ["TC901"], text


def test_errors_cannot_be_silenced(check) -> None:
    assert check("backup group g { agent A -> R9 { B1 <- D1 } } # tcc: ignore TC201").codes == ["TC201"]


def test_the_order_is_that_of_the_places(check) -> None:
    checked = check(B + "backup group h { agent Z -> Q1 { B1 <- X1 B2 <- X2 } }\nsource X { }")
    assert checked.places == sorted(checked.places)


# ------------------------------------------------------------ what is one thing, what holds what


def test_one_tape_by_all_its_names(check) -> None:
    one = 'drive T1 { tape = "/dev/nst0" } # tcc: ignore TC902\n'
    for other in ("/dev/st0", "/dev/nst0a", "/dev/../dev/nst0", "/dev/tape/mine"):
        checked = check(
            f'{one}drive T2 {{ tape = «"{other}"» }} # tcc: ignore TC902\n{B}',
            links={"/dev/tape/mine": "../st0"},
        )
        assert checked.codes == ["TC308"], other
        assert checked.places == checked.marks
    assert check(one + 'drive T2 { tape = "/dev/nst1" } # tcc: ignore TC902\n' + B).codes == []


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ('bucket = "s3://b/x"', 'bucket = "S3://b/x/"', True),
        ('bucket = "s3://b/x"', 'bucket = "s3://b/y"', False),
        ('volumes = "a"', 'volumes = "/plans/a/"', True),
        ('volumes = "a"', 'volumes = "link"', True),
        ('volumes = "a"', 'volumes = "a/b"', False),
        ('volumes = "mounted"', 'volumes = "a"', True),
        ('volumes = "a" host = h', 'volumes = "a"', False),
        ('volumes = "a" host = h', 'volumes = "./a" host = h', True),
        ("discard = true", "discard = true", False),
    ],
)
def test_drives_that_are_one_thing(check, one, other, same) -> None:
    quiet = "# tcc: ignore TC902\n"
    checked = check(
        f"host h {{ }}\ndrive X {{ {one} }} {quiet}drive Y {{ {other} }} {quiet}{B}",
        links={"/plans/link": "a"},
        same={"/plans/a": "inode 1", "/plans/mounted": "inode 1"},
    )
    assert checked.codes == (["TC308"] if same else []), checked.messages


def test_a_source_on_another_host_holds_nothing_of_ours(check) -> None:
    text = 'host h { }\nsource S { files = "/" host = h } # tcc: ignore TC901\n' + B
    assert check(text).codes == []


# ------------------------------------------------------------ requirements


@pytest.mark.parametrize(
    ("require", "code"),
    [
        ("copies >= 2", ""), ("copies >= 3", "TC401"), ("copies == 2", ""), ("copies <= 1", "TC401"),
        ("sites >= 1", ""), ("sites >= 2", "TC402"), ("sites >= 3", "TC401"), ("sites <= 2", ""),
        ("sites == 1", "TC402"),
        ("media >= 2", ""), ("media == 2", ""), ("media >= 3", "TC401"),
        ("hosts == 1", ""), ("drives == 2", ""), ("drives <= 1", "TC401"),
        ("memory <= 16MiB", ""), ("memory <= 15MiB", "TC401"),
        ("encrypted == true of D1", "TC401"), ("encrypted == true of S", ""), ("encrypted == false of D1", ""),
        ("duration <= 2h", "TC402"),
    ],
)  # fmt: skip
def test_requirements_are_kept_broken_or_not_to_be_known(check, require, code) -> None:
    checked = check(
        'source S { files = "/s" encrypt = ["age1qqqq"] } # tcc: ignore TC901\n'
        'drive X { volumes = "x" site = "vault" media = "disk" }\ndrive Y { volumes = "y" media = "lto" }\n'
        "backup group g { agent A -> X { B1 <- D1 B2 <- D2 } }\nmirror group m of g { agent C -> Y { * <- A } }\n"
        f"require {require}"
    )
    assert checked.codes == ([code] if code else []), checked.messages


@pytest.mark.parametrize(
    ("require", "code"),
    [("duration <= 4000s", ""), ("duration <= 3h", ""), ("duration <= 2000s", "TC402"), ("duration <= 900s", "TC401")],
)
def test_the_duration_is_that_of_the_slowest(check, require, code) -> None:
    # The source takes 1,000 s; the drive writes 100 GB at 25 to 100 MB/s: 1,000 to 4,000 s.
    checked = check(
        'source S { files = "/s" size = 100GB rate = 100MB/s } # tcc: ignore TC903\n'
        'drive X { volumes = "x" rate = 25MB/s..100MB/s }\nbackup group g { agent A -> X { B1 <- S } }\n'
        f"require {require}"
    )
    assert checked.codes == ([code] if code else []), checked.messages


def test_a_broken_promise_names_the_sources_and_what_each_has(check) -> None:
    checked = check(B + "mirror group m of g { agent C -> R2 { B1 <- A.B1 } }\nrequire «copies» >= 2 of D1, D2")
    assert checked.places == checked.marks
    assert "D2 has 1 copy (R1)" in checked.messages
    assert "D1" not in checked.compilation.diagnostics[0].message


def test_requirements_of_a_copy_plan_are_about_what_it_restores(check) -> None:
    text = "restore group o { agent A <- R1 { B1 <- X } }\ncopy group c of o { agent C -> R2 { * <- A } }\n"
    assert check(text + "require copies >= 1 of X").codes == []
    assert check(text + "require copies >= 2 of X").codes == ["TC401"]
    assert check(text + "require copies >= 2").codes == ["TC401"]
    assert check(text + "require copies >= 1 of Y").codes == ["TC201"]


#: A syntax error, its statement, and a fault elsewhere that it must not hide.
BESIDE = [
    ("source X { files } # tcc: ignore TC901\n", "backup group h { }", "TC101 TC309"),
    ("source X { files } # tcc: ignore TC901\n", "backup group h { agent Z -> R3 }", "TC101 TC309"),
    ("source X { files } # tcc: ignore TC901\n", "require copies >= 2", "TC101 TC401"),
    ("source X { files } # tcc: ignore TC901\n", "source Y { } # tcc: ignore TC901", "TC101 TC205"),
    ('source X { files = "/x\n}\n', "backup group h { }", "TC102 TC309"),
    ("backup group k { agent Y -> R2 { B1 <- ] } }\n", "backup group h { agent Z -> R3 }", "TC101 TC309"),
    ('include "none.tc"\n', "backup group h { }", "TC104 TC309"),
]


@pytest.mark.parametrize(("broken", "other", "codes"), BESIDE)
def test_a_syntax_error_does_not_hide_a_fault_elsewhere(check, broken, other, codes) -> None:
    checked = check(broken + B + other)
    assert [d.code for d in checked.compilation.diagnostics if d.severity == "error"] == codes.split()


@pytest.mark.parametrize(
    "text",
    [
        "chain D1 -> Z.B1 -> ]\nbackup group h { agent Z -> R3 }",
        "backup group h {",
        "backup group h { agent Z -> R3 {",
        "backup group h { agent Z -> R3 { B1 <- ] } }",
        "backup group h { agent Z -> ] { B1 <- D1 } }",
        "source X { = } # tcc: ignore TC901",
    ],
)
def test_what_a_syntax_error_may_have_taken_away_is_not_missed(check, text) -> None:
    assert check(B + text).codes == ["TC101"]


@pytest.mark.parametrize(
    ("sound", "broken"),
    [
        ("source D2 {", "source {"),
        ("drive R3 {", "drive {"),
        ("agent A ->", "agent ->"),
        ("group g {", "group {"),
        ("B2 <- D2", "<- D2"),
        ("agent A -> R1 {", "agent A -> R1 R1 {"),
        ("B1 <- D1 B2", "B1 <-\n B2"),
        ("B1 <- A.B1 B2", "B1 <-\n B2"),
        ('drive R3 { volumes = "3"', 'drive R3 { volumes = "3" site ='),
        ('drive R3 { volumes = "3"', "drive R3 { volumes ="),
        ('source D2 { files = "/2" }', 'source D2 { files = "/2" encrypt = }'),
        ('drive R3 { volumes = "3"', 'drive R3 { volumes = site = "3"'),
    ],
)
def test_what_follows_from_a_syntax_error_is_not_said(check, sound, broken) -> None:
    plan = FIGURE2 + "require drives == 3\n"
    assert sound in plan
    checked = check(plan.replace(sound, broken, 1), head=False)
    assert checked.codes == ["TC101"], checked.messages


def test_a_declaration_without_a_name_hides_only_names_of_its_kind(check) -> None:
    checked = check('source { files = "/x" }\nbackup group g { agent A -> «R9» { B1 <- D1 B2 <- New } }')
    assert checked.codes == ["TC101", "TC201"], checked.messages
    assert checked.places[1:] == checked.marks


def test_an_agent_is_called_an_agent(check) -> None:
    assert "A is an agent, which has no place" in check(B + "chain A -> A.B1").messages
    assert "D1 is an agent here" in check("backup group g { agent D1 -> R1 { B1 <- D2 } }").messages


def test_a_rate_that_lacks_its_time_is_read_as_one(check) -> None:
    checked = check('source X { files = "/x" rate = «10MB/» } # tcc: ignore TC901\n' + B)
    assert checked.codes == ["TC103"], checked.messages
    assert checked.places == checked.marks
    assert "`10MB/s`" in checked.messages
