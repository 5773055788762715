"""Selectors: what they mean among the objects of a drive, and what they say where they mean nothing."""

import pytest
from tapechain.runtime.copying.holdings import covering
from tapechain.runtime.copying.passes import legs_of
from tapechain.runtime.copying.selectors import parse
from tapechain.runtime.faults import Fault, RestoreFault, UsageFault
from tapechain.runtime.model import Segment

pytestmark = pytest.mark.timeout(60)


@pytest.mark.parametrize(
    ("text", "kind", "argument"),
    [
        ("D1", "latest", "D1"),
        ("latest(D1)", "latest", "D1"),
        ('"night/web 01"', "latest", "night/web 01"),
        ("all", "all", None),
        ('"all"', "latest", "all"),
        ("all(D1)", "all", "D1"),
        ('chain("a\\"b\\\\c\\n")', "chain", 'a"b\\c\n'),
        ('object("0197a2c4-0000-7000-8000-000000000000")', "object", "0197a2c4-0000-7000-8000-000000000000"),
    ],
)
def test_text_of_a_compiled_plan_is_read(text: str, kind: str, argument: str | None) -> None:
    found = parse(text)
    assert (found.kind, found.argument, found.everything) == (kind, argument, argument is None)


@pytest.mark.parametrize(
    "text", ["", "D 1", "newest(D1)", "all()", "all(D1", '"open', "all(D1) ", "D1\n", "chain(all(D1))"]
)
def test_what_is_no_selector_is_refused(text: str) -> None:
    with pytest.raises(UsageFault, match="no selector"):
        parse(text)


def copied(copying, report) -> list[str]:
    return [o.object for o in report.objects]


def test_latest_all_and_object(copying, world) -> None:
    sessions = [world.run({"a": bytes([n]) * 1000, "b": b"b"}) for n in range(3)]
    assert copied(copying, copying.simple("a")) == [sessions[2]["a"]]
    assert copied(copying, copying.simple("all(a)", again=True)) == [s["a"] for s in sessions]
    assert copied(copying, copying.simple(f'object("{sessions[1]["b"]}")')) == [sessions[1]["b"]]
    everything = copied(copying, copying.simple("all", again=True))
    assert set(everything) == {key for s in sessions for key in s.values()}
    assert copied(copying, copying.simple('a { as_of = "2026-01-02T12:00Z" }', again=True)) == [sessions[1]["a"]]


def test_name_of_several_plans_must_be_told_apart(copying, world) -> None:
    night = world.run({"a": b"1"}, plan="night")
    day = world.run({"a": b"2"}, plan="day")
    with pytest.raises(UsageFault, match="source a of plan day, source a of plan night") as refused:
        copying.simple("a")
    assert refused.value.todo == 'write "day/a" or "night/a"'
    assert copied(copying, copying.simple('"night/a"', 'all("day/a")')) == [night["a"], day["a"]]


def test_newer_object_that_is_not_whole_is_passed_over_and_said(copying, world, support) -> None:
    good = world.run({"a": b"good"})
    bad = world.run({"a": support.Item(b"x" * 200_000, only={"R1": 1})})
    report = copying.simple("a")
    assert copied(copying, report) == [good["a"]]
    assert any(bad["a"] in note and "passed over" in note for note in report.notes)
    with pytest.raises(RestoreFault, match="passed over: it is cut-off"):
        copying.simple(f'object("{bad["a"]}")')


def test_only_incomplete_objects_select_nothing(copying, world, support) -> None:
    world.run({"a": support.Item(b"x" * 200_000, only={"R1": 1}), "b": b"b"})
    for selector in ("a", "all(a)", "chain(a)"):
        with pytest.raises(RestoreFault, match="selects nothing on drive R1"):
            copying.simple(selector)
    assert not (world.folder / "fresh").exists()


def test_stream_target_takes_one_object_only(copying, world, text_of) -> None:
    world.run({"a": b"1"})
    world.run({"a": b"2"})
    more = 'target T { stream = "back" }\nchain A.B0 -> T'
    with pytest.raises(UsageFault, match=r"target T is one file, but A.B0 <- all\(a\) brings 2 objects"):
        copying.run(text_of("all(a)", more=more))
    assert copying.run(text_of("a", more=more)).status == "ok"
    assert (world.folder / "back").read_bytes() == b"2"


def test_near_name_is_offered(copying, world) -> None:
    world.run({"homes": b"1"})
    with pytest.raises(UsageFault) as refused:
        copying.simple("home")
    assert "did you mean homes?" in refused.value.todo


def test_drive_without_volumes_is_said(copying, world) -> None:
    world.run({"a": b"1"}, ("R2",))
    with pytest.raises(Fault, match="holds no volume of drive R1"):
        copying.simple("a")


def test_volumes_tell_where_the_catalog_does_not_know_the_drive(copying, world) -> None:
    first = world.run({"a": b"1" * 70_000}, capacity=200_000)
    second = world.run({"a": b"2" * 200_000}, capacity=200_000)
    world.catalog_path.unlink()
    report = copying.simple("all(a)")
    assert report.status == "ok" and copied(copying, report) == [first["a"], second["a"]]
    assert copying.payload("N1", second["a"]) == b"2" * 200_000
    with world.catalog() as catalog:
        (one,) = catalog.objects(object_id=second["a"])
        assert (one.plan, one.status, [c.drive for c in one.copies]) == ("night", "whole", ["N1"])


# ---------------------------------------------------------------- values


def segment(volume: str, first: int, last: int, sequence: int, records: int) -> Segment:
    return Segment(volume, volume, first, last, sequence, records, records)


def test_fewest_segments_that_cover() -> None:
    whole = segment("v3", 5, 9, 0, 10)
    parts = [segment("v1", 1, 2, 0, 4), segment("v1", 3, 4, 4, 2), whole, segment("v2", 1, 2, 6, 4)]
    assert covering(parts, 10) == ((whole,), True)
    assert covering(parts[:2], 10) == (tuple(parts[:2]), False)
    assert covering([parts[0], parts[3]], 10) == ((parts[0], parts[3]), False)
    assert covering([], 10) == ((), False)


def test_one_pass_where_one_will_do_and_more_where_order_needs_it() -> None:
    from types import SimpleNamespace as Some

    def held(name: str, *segments: Segment):
        return Some(item=Some(id=name), segments=segments)

    volumes = {f"v{n}": Some(id=f"v{n}", number=n) for n in (1, 2)}
    a = held("a", segment("v1", 10, 50, 0, 3), segment("v2", 10, 20, 3, 2))
    b = held("b", segment("v1", 20, 60, 0, 3))

    def shape(chains, ordered):
        passes = legs_of(chains, frozenset(ordered), volumes)
        return [[(leg.volume.id, [(w.ring, w.held.item.id) for w in leg.wants]) for leg in legs] for legs in passes]

    mixed = [[("v1", [(0, "a"), (0, "b")]), ("v2", [(0, "a")])]]
    assert shape({0: [a, b]}, ()) == mixed
    assert shape({0: [a, b]}, (0,)) == [[("v1", [(0, "a")]), ("v2", [(0, "a")])], [("v1", [(0, "b")])]]
    assert shape({0: [a], 1: [b]}, (0, 1)) == [[("v1", [(0, "a"), (1, "b")]), ("v2", [(0, "a")])]]
    backwards = held("c", segment("v2", 10, 20, 0, 2), segment("v1", 10, 20, 2, 2))
    assert shape({0: [backwards]}, ()) == [[("v2", [(0, "c")])], [("v1", [(0, "c")])]]
