"""let, param, for, include, -D: what they stand for, and what is wrong with them."""

import sys

import pytest
from tapechain.compiler.expand import expand
from tapechain.compiler.load import load
from tapechain.compiler.program import compile_program
from tapechain.compiler.world import MemoryWorld

B = "backup group g { agent A -> R1 { B1 <- D1 } }\n"


def names(checked, part="sources") -> list[str]:
    plan = checked.compilation.plan
    assert plan is not None, checked.messages
    return [one.name for one in getattr(plan, part)]


def test_loops_at_the_top_in_groups_and_in_agents(check) -> None:
    checked = check(
        """
for c in ["a", "b"] { source "web-${c}" { files = "/${c}" } }
for i in 1..2 { drive "S${i}" { volumes = "s${i}" } }
backup group g {
  for i in 1..2 { agent "A${i}" -> "S${i}" {
    for c in ["a", "b"] { "B${c}" <- "web-${c}" }
  } }
}
""",
        head=False,
    )
    assert checked.codes == [], checked.messages
    assert names(checked) == ["web-a", "web-b"]
    assert names(checked, "agents") == ["A1", "A2"]
    assert [r.buffers for r in checked.compilation.plan.rings] == [("A1.Ba", "A2.Ba"), ("A1.Bb", "A2.Bb")]


def test_lets_in_any_order_lists_and_inner_variables(check) -> None:
    checked = check(
        """
source X { files = ["${root}/a", other] exclude = skipped }
backup group g { agent A -> R1 { depth = deep B1 <- X } }
let root = "${top}/data"
let skipped = ["*.tmp", last]
let last = "z"
let top = "/srv"
let other = "/o"
let deep = 4
for last in ["hidden"] { host "h-${last}" { } }
"""
    )
    assert checked.codes == ["TC903"], checked.messages
    plan = checked.compilation.plan
    assert plan.sources[2].files == ("/srv/data/a", "/o")
    assert plan.sources[2].exclude == ("*.tmp", "z")
    assert plan.rings[0].depth == 4
    assert plan.hosts[0].name == "h-hidden"


def test_numbers_and_sizes_stand_in_strings_as_they_are_written(check) -> None:
    checked = check(
        'let n = 8\nlet s = 64KiB\nlet b = true\nsource X { files = "/${n}/${s}/${b}" } # tcc: ignore TC901\n'
    )
    assert checked.compilation.plan.sources[2].files == ("/8/64KiB/true",)


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ('for i in 1..3 { drive R1 { volumes = "x${i}" } }', "TC202", "i = 1"),
        ('for c in ["a"] { source "S${d}" { files = "/x" } }', "TC105", 'c = "a"'),
        ("backup group g { for i in 4..5 { agent A -> R1 { B1 <- D1 } } }", "TC202", "i = 5"),
        ('for i in 1..3 { source "S${i}" { file = "/x" } }', "TC204", "i = 1, and 2 more"),
        ('for i in 1..2 { for j in 5..6 { chain "D${i}" -> "X${j}".B1 } }', "TC201", "i = 1, j = 5"),
    ],
)
def test_diagnostics_name_the_iteration(check, text, code, said) -> None:
    checked = check(text)
    assert code in checked.codes
    assert f"in the iteration {said}" in checked.messages


def test_what_every_iteration_repeats_is_said_once(check) -> None:
    checked = check(B + 'for i in 1..64 { source "S${i}" { files = "/x" exlude = [] } # tcc: ignore TC901\n}')
    assert checked.codes == ["TC204"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("for i in «3..1» { }", "TC207"),
        ("for i in «1..1000000000000» { }", "TC207"),
        ('for i in «1..2000» { for j in 1..2000 { host "h${i}-${j}" { } } }', "TC207"),
        ("for i in «8» { }", "TC206"),
        ("for i in «1..2.5» { }", "TC206"),
        ("for i in «1KiB..2KiB» { }", "TC206"),
        ("for i in «nobody» { }", "TC201"),
        ('let l = [1]\nhost "h${l}" { }'.replace("${l}", "«${l}»"), "TC206"),
        ('let a = "«${b}»"\nlet b = "${c}"\nlet c = "${a}"', "TC105"),
    ],
)
def test_loops_and_variables_that_cannot_be(check, text, code) -> None:
    checked = check(B + text)
    assert set(checked.codes) == {code}, checked.messages
    assert checked.marks[0] in checked.places or code == "TC105"


def test_an_inner_loop_over_an_outer_variable_is_stopped_at_the_limit() -> None:
    text = 'for i in 1..100 { for j in 1..i { host "h${i}-${j}" { } } }'
    world = MemoryWorld(files={"p.tc": text})
    assert len(expand(load("p.tc", world, {})).statements) == 5050
    limited = expand(load("p.tc", world, {}), limit=1000)
    assert len(limited.statements) <= 1000
    assert {d.code for d in limited.diagnostics} == {"TC207"}


def test_strings_cannot_double_without_end(check) -> None:
    lets = "\n".join(f'let v{i} = "${{v{i + 1}}}${{v{i + 1}}}"' for i in range(40))
    checked = check(B + lets + '\nlet v40 = "xxxxxxxx"')
    assert set(checked.codes) == {"TC207"}


def test_variables_may_nest_only_so_deep(check) -> None:
    lets = "\n".join(f"let v{i} = v{i + 1}" for i in range(2000))
    checked = check(B + "source X { files = v0 } # tcc: ignore TC901\n" + lets + '\nlet v2000 = "x"')
    assert set(checked.codes) == {"TC105"}


# ------------------------------------------------------------ params


PARAMS = """
param n = 4
param size = 1MiB
param name = "x"
param many = ["a"]
param on = false
param span = 1..2
plan p { depth = n record = size }
for m in many { host "h-${m}" { } }
for i in span { host "r${i}" { } }
source X { files = "/${name}" one_file_system = on } # tcc: ignore TC901
"""


def test_defines_are_read_as_the_type_of_the_default(check) -> None:
    defines = {"n": "16", "size": "64KiB", "name": 'a "b" ${c}', "many": '["p", "q"]', "on": "true", "span": "5..7"}
    plan = check(PARAMS, defines=defines).compilation.plan
    assert plan is not None
    assert plan.record == 65536
    assert plan.sources[2].files == ('/a "b" ${c}',)
    assert plan.sources[2].one_file_system
    assert [h.name for h in plan.hosts] == ["h-p", "h-q", "r5", "r6", "r7"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("n", "many"), ("n", "4KiB"), ("n", ""), ("n", "4 source E { }"), ("n", "4\nlet x = 1"), ("size", "1"),
        ("many", "a"), ("many", "[1]"), ("many", "[[]]"), ("on", "1"), ("span", "1"), ("span", "1KiB..2KiB"),
    ],
)  # fmt: skip
def test_defines_of_another_type_are_refused_at_the_param(check, name, text) -> None:
    checked = check(PARAMS, defines={name: text})
    assert checked.codes == ["TC206"], checked.messages
    assert f"-D {name}=" in checked.messages


def test_a_param_whose_default_is_another_variable(check) -> None:
    text = "param p = q\nlet q = 2\nplan x { depth = p }\n" + B
    assert check(text).compilation.plan.rings[0].depth == 2
    assert check(text, defines={"p": "64"}).compilation.plan.rings[0].depth == 64
    assert check(text, defines={"p": "x"}).codes == ["TC206"]


def test_defines_without_a_param_are_told(check) -> None:
    assert check("let a = 1\n" + B, defines={"a": "2", "b": "3"}).compilation.unused_defines == ("a", "b")


# ------------------------------------------------------------ includes


def test_includes_stand_in_their_place_and_paths_follow_their_file(check) -> None:
    checked = check(
        'include "lib/drives.tc"\nsource X { files = "data" }\n'
        "backup group g { agent A -> Q1 { B1 <- X } }\nmirror group m of g { agent C -> Q2 { * <- A } }",
        head=False,
        files={
            "lib/drives.tc": 'include "more/q2.tc"\ndrive Q1 { volumes = "q1" }\nsource Y { files = ["y", "/y"] }',
            "lib/more/q2.tc": 'drive Q2 { volumes = "../q2" }\nsource Z { stream = "-" }',
        },
    )
    assert checked.codes == ["TC901", "TC901"]
    plan = checked.compilation.plan
    assert [(d.name, d.volumes) for d in plan.drives] == [("Q2", "lib/more/../q2"), ("Q1", "lib/q1")]
    assert [s.files for s in plan.sources] == [(), ("lib/y", "/y"), ("data",)]
    assert plan.sources[0].stream == "-"
    assert {d.span.file for d in checked.compilation.diagnostics} == {"lib/drives.tc", "lib/more/q2.tc"}
    assert plan.plan == "plan"


def test_each_file_is_read_once_whatever_it_is_called(check) -> None:
    checked = check(
        'include "a.tc"\ninclude "./x/../a.tc"\ninclude "link.tc"\ninclude "b.tc"\n' + B,
        files={"a.tc": "host H { }", "b.tc": 'include "a.tc"'},
        links={"/plans/link.tc": "a.tc"},
    )
    assert checked.codes == []
    assert names(checked, "hosts") == ["H"]


def test_a_file_that_includes_itself_by_way_of_others(check) -> None:
    checked = check('include "a.tc"\n' + B, files={"a.tc": 'include "b.tc"', "b.tc": 'host H { }\ninclude "plan.tc"'})
    assert checked.codes == ["TC104"]
    assert "plan.tc -> a.tc -> b.tc -> plan.tc" in checked.messages
    assert checked.compilation.diagnostics[0].span.file == "b.tc"
    assert check('include «"plan.tc"»\n' + B).codes == ["TC104"]


@pytest.mark.parametrize("path", ["nowhere.tc", "", "a\tb"])
def test_an_include_that_fails_does_not_make_noise(check, path) -> None:
    text = 'include «"' + path.replace("\t", "\\t") + '"»\nbackup group g { agent A -> Lost { B1 <- Gone } }'
    checked = check(text)
    assert checked.codes == ["TC104"], checked.messages
    assert checked.places == checked.marks


def test_an_include_that_is_no_text_is_refused(check) -> None:
    checked = check('include "x.tc"\n' + B, files={"x.tc": b"host H { }\n\xff\xfe"})
    assert set(checked.codes) <= {"TC101", "TC104"}
    assert checked.compilation.plan is None


def test_includes_by_variables_and_in_loops(check) -> None:
    checked = check(
        'let where = "lib"\nfor n in ["a", "b"] { include "${where}/${n}.tc" }\n' + B,
        files={"lib/a.tc": "host H1 { }", "lib/b.tc": "host H2 { }"},
    )
    assert checked.codes == [], checked.messages
    assert names(checked, "hosts") == ["H1", "H2"]
    assert check('for i in 1..1000000000 { include "x${i}.tc" }\n' + B).compilation.plan is None


def test_variables_have_one_scope_across_includes(check) -> None:
    checked = check('include "v.tc"\nplan p { depth = deep }\nlet base = 16\n' + B, files={"v.tc": "let deep = base"})
    assert checked.codes == []
    assert checked.compilation.plan.rings[0].depth == 16


def test_deep_includes_and_deep_stages_need_no_deep_stack() -> None:
    files = {f"f{i}.tc": f'include "f{i + 1}.tc"' for i in range(400)}
    files["f400.tc"] = "host H { }"
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(500)
    try:
        assert compile_program("f0.tc", MemoryWorld(files=files)).diagnostics == ()
    finally:
        sys.setrecursionlimit(limit)
    stages = "\n".join(
        f'drive "R{i}" {{ volumes = "{i}" }}\n'
        f'mirror group "g{i}" of "g{i - 1}" {{ agent "A{i}" -> "R{i}" {{ * <- "A{i - 1}" }} }}'
        for i in reversed(range(1, 1500))
    )
    text = stages + '\nsource D { files = "/d" }\ndrive R0 { volumes = "0" }\n'
    text += "backup group g0 { agent A0 -> R0 { B1 <- D } }"
    plan = compile_program("p.tc", MemoryWorld(files={"p.tc": text})).plan
    assert plan is not None
    assert [len(ring.buffers) for ring in plan.rings] == [1500]
