"""TC502, TC905 and TC907, and the duration that `require` is held against."""

import pytest
from tapechain.compiler.duration import Estimate, estimate
from tapechain.compiler.program import Compilation, compile_program
from tapechain.compiler.world import MemoryWorld


def compiled(text: str) -> Compilation:
    return compile_program("p.tc", MemoryWorld(files={"p.tc": text}))


def codes(text: str, *, of: str = "TC502 TC905 TC907") -> list[str]:
    return [d.code for d in compiled(text).diagnostics if d.code in of or d.severity == "error"]


def duration(text: str) -> Estimate:
    return estimate(compiled(text).graph)


def two_stages(
    *, plan: str = "", home: str = "size = 1TB rate = 100MB/s", r1: str = "", r2: str = "", a1: str = "", a2: str = ""
) -> str:
    return (
        f'{plan}\nsource home {{ files = "/home" {home} }}\n'
        f'drive R1 {{ volumes = "r1" {r1} }}\ndrive R2 {{ volumes = "r2" {r2} }}\n'
        f"backup group g {{ agent A1 -> R1 {{ {a1} B1 <- home }} }}\n"
        f"mirror group m of g {{ agent A2 -> R2 {{ {a2} * <- A1 }} }}\n"
    )


KNOWN = {"r1": "rate = 200MB/s", "r2": "rate = 100MB/s"}


@pytest.mark.parametrize(("window", "found"), [("2h", ["TC502"]), ("9999s", ["TC502"]), ("10000s", []), ("3h", [])])
def test_a_run_that_does_not_fit_into_its_window_is_refused(window: str, found: list[str]) -> None:
    assert codes(two_stages(plan=f"plan p {{ window = {window} }}", **KNOWN)) == found


def test_the_message_names_the_bottleneck_and_the_place_is_the_window() -> None:
    text = two_stages(plan="plan p { window = 2h }", r1="rate = 200MB/s", r2="rate = 50MB/s", a2="")
    (found,) = [d for d in compiled(text).diagnostics if d.code == "TC502"]
    assert "about 5:33:20, and the drive R2 sets the pace" in found.message
    assert text.split("\n")[0][found.span.column - 1 : found.span.end_column - 1] == "2h"
    assert [text.split("\n")[r.span.line - 1][r.span.column - 1 : r.span.end_column - 1] for r in found.related] == [
        "50MB/s"
    ]


def test_missing_facts_leave_the_window_to_what_is_known() -> None:
    assert codes(two_stages(plan="plan p { window = 2h }", home="size = 1TB", r2="rate = 50MB/s")) == ["TC502"]
    assert codes(two_stages(plan="plan p { window = 6h }", home="size = 1TB", r2="rate = 50MB/s")) == []
    assert codes(two_stages(plan="plan p { window = 2h }")) == ["TC502"]  # the source alone takes 10,000 s
    assert codes(two_stages(plan="plan p { window = 2h }", home="")) == []


def test_a_range_is_judged_at_its_fastest_by_window_and_at_both_ends_by_require() -> None:
    rates = {"r1": "rate = 200MB/s", "r2": "rate = 30MB/s..160MB/s"}
    assert codes(two_stages(plan="plan p { window = 10000s }", **rates)) == []
    assert codes(two_stages(**rates) + "require duration <= 10000s") == ["TC402"]
    assert codes(two_stages(**rates) + "require duration <= 10h") == []
    assert codes(two_stages(**rates) + "require duration <= 9000s") == ["TC401"]


def test_require_is_broken_by_what_is_known_even_where_facts_are_missing() -> None:
    text = two_stages(home="size = 1TB", r2="rate = 50MB/s")
    assert codes(text + "require duration <= 2h") == ["TC401"]
    assert codes(text + "require duration <= 6h") == ["TC402"]


def test_object_order_and_spools_count() -> None:
    two = (
        'source a { files = "/a" size = 100MB rate = 10MB/s }\nsource b { files = "/b" size = 100MB rate = 20MB/s }\n'
        'drive R { volumes = "r" rate = 100MB/s }\nbackup group g { agent A -> R { %s X <- a  Y <- b } }'
    )
    assert duration(two % "").low == pytest.approx(10)
    assert duration(two % 'order = "object"').low == pytest.approx(15)
    slow = {"r1": "rate = 100MB/s", "r2": "rate = 50MB/s"}
    assert duration(two_stages(**slow)).low == pytest.approx(20_000)
    behind = duration(two_stages(**slow, a2='spool = "/spool"'))
    assert (behind.low, behind.bottleneck) == (pytest.approx(20_000), "drive R2")


def test_a_drive_that_discards_needs_no_rate() -> None:
    text = two_stages(r1="rate = 200MB/s").replace('volumes = "r2"', "discard = true")
    assert duration(text).missing == ()
    assert duration(text).low == pytest.approx(10_000)


# ---------------------------------------------------------------- TC905


@pytest.mark.parametrize(
    ("how", "found"),
    [
        ({"r1": "rate = 200MB/s", "r2": "rate = 30MB/s"}, ["TC905"]),
        ({"r1": "rate = 200MB/s", "r2": "rate = 100MB/s"}, []),  # the source is no faster than that
        ({"r1": "rate = 30MB/s", "r2": "rate = 30MB/s"}, []),  # nor is the first drive
        ({"r1": "rate = 20MB/s", "r2": "rate = 30MB/s"}, []),
        ({"r1": "rate = 200MB/s", "r2": "rate = 30MB/s", "a2": 'spool = "/spool"'}, []),
        ({"r1": "rate = 200MB/s"}, []),
        ({"r2": "rate = 30MB/s"}, ["TC905"]),  # the source's rate is enough to know
        ({"r2": "rate = 30MB/s", "home": ""}, []),  # what feeds it is not known
        ({"r1": "rate = 200MB/s", "r2": "rate = 30MB/s", "home": ""}, ["TC905"]),
    ],
)
def test_a_mirror_that_holds_back_the_backup(how: dict[str, str], found: list[str]) -> None:
    assert codes(two_stages(**how)) == found


def test_only_the_stages_before_feed_a_mirror() -> None:
    text = two_stages(r1="rate = 100MB/s", r2="rate = 30MB/s") + (
        'drive R3 { volumes = "r3" rate = 40MB/s }\nmirror group n of m { agent A3 -> R3 { * <- A2 } }\n'
    )
    (found,) = [d for d in compiled(text).diagnostics if d.code == "TC905"]
    assert "the mirror A2 holds back the backup: R2 writes 30MB/s, what feeds it could send 100MB/s" in found.message


def test_a_mirror_of_two_agents_gets_what_both_send() -> None:
    text = (
        'source a { files = "/a" rate = 60MB/s }\nsource b { files = "/b" rate = 60MB/s }\n'
        + "".join(f'drive R{i} {{ volumes = "r{i}" rate = 100MB/s }}\n' for i in range(1, 4))
        + "backup group g { agent A -> R1 { X <- a }  agent B -> R2 { X <- b } }\n"
        "mirror group m of g { agent C -> R3 { X <- A.X  Y <- B.X } }\n"
    )
    assert codes(text) == ["TC905"]
    assert codes(text.replace("60MB/s", "50MB/s")) == []


def test_tc905_can_be_silenced_where_it_stands() -> None:
    text = two_stages(r1="rate = 200MB/s", r2="rate = 30MB/s")
    assert codes(text.rstrip() + " # tcc: ignore TC905") == []


# ---------------------------------------------------------------- TC907


@pytest.mark.parametrize(
    ("how", "found"),
    [
        ({"r1": "rate = 110MB/s..160MB/s"}, ["TC907"]),
        ({"r1": "rate = 100MB/s..160MB/s"}, []),
        ({"r1": "rate = 160MB/s"}, []),  # no range: nobody says how slowly it streams
        ({"r1": "rate = 110MB/s..160MB/s", "home": ""}, []),  # the source may be fast enough
        ({"r1": "rate = 110MB/s..160MB/s", "a1": 'spool = "/spool"'}, []),
        ({"r1": "rate = 40MB/s..160MB/s", "r2": "rate = 30MB/s"}, ["TC905", "TC907"]),  # the slow mirror starves it
    ],
)
def test_a_drive_that_starves(how: dict[str, str], found: list[str]) -> None:
    assert sorted(codes(two_stages(**how))) == found


def test_in_object_order_a_drive_is_fed_by_one_source_at_a_time() -> None:
    text = (
        'source a { files = "/a" rate = 20MB/s }\nsource b { files = "/b" rate = 25MB/s }\n'
        'drive R { volumes = "r" rate = 30MB/s..160MB/s }\nbackup group g { agent A -> R { %s X <- a  Y <- b } }'
    )
    assert codes(text % "") == []
    assert codes(text % 'order = "object"') == ["TC907"]


@pytest.mark.parametrize("digits", [15, 20, 40, 400])
def test_numbers_beyond_all_reason_are_only_large(digits: int) -> None:
    text = two_stages(plan="plan p { window = 1s }", home=f"size = {'9' * digits}TB rate = 1kB/s", **KNOWN)
    assert codes(text) in (["TC502"], ["TC103"], ["TC207"])
