"""Drafts as pure functions: what is read, written and left out; and every draft is a plan without fault."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tapechain.cli.fmt import canonical
from tapechain.compiler.draft.drafts import (
    catch_up,
    chain,
    compact,
    consolidate,
    demultiplex,
    migrate,
    refresh,
    restore,
)
from tapechain.compiler.draft.holdings import Held, HeldCopy, HeldDrive
from tapechain.compiler.draft.outcome import Drafted, Holdings, NothingToDraft
from tapechain.compiler.draft.text import Output, record_bytes, write
from tapechain.compiler.program import compile_program
from tapechain.compiler.world import MemoryWorld


def held(number: int, source: str = "home", **more: object) -> Held:
    copies = more.pop("copies", {"R1": ("R1-000001",)})
    kept = bool(more.pop("kept", True))
    assert isinstance(copies, dict)
    values: dict[str, object] = {
        "id": f"0197a2c4-0000-7000-8000-{number:012d}",
        "plan": "night",
        "source": source,
        "session": f"session {number}",
        "kind": "files",
        "level": "full",
        "parent": None,
        "started": f"2026-11-{number:02d}T02:00:00.000Z",
        "number": number,
        "bytes": 1000 * number,
        "records": 1,
        "copies": tuple(HeldCopy(drive, tuple(volumes), kept) for drive, volumes in copies.items()),
    }
    return Held(**{**values, **more})  # type: ignore[arg-type]


def holdings(*objects: Held, more: tuple[str, ...] = ()) -> Holdings:
    names = sorted({c.drive for h in objects for c in h.copies} | set(more))
    return Holdings(objects, {name: HeldDrive(name, f"/media/{name}") for name in names})


NEW = (Output(HeldDrive("new", "/new")),)


def text_of(drafted: Drafted) -> str:
    """The draft's text in canonical form, after the compiler found no fault in it, nor anything to warn of."""
    text, problems = canonical(write(drafted.draft).encode(), "draft.tc")
    assert text is not None, problems
    compilation = compile_program("draft.tc", MemoryWorld({"draft.tc": text.decode()}), {})
    assert compilation.diagnostics == ()
    assert compilation.plan is not None
    return text.decode()


def ids(drafted: Drafted) -> set[int]:
    return {h.number for read in drafted.draft.reads for h in read.objects}


def test_refresh_takes_what_the_volumes_hold_and_all_of_it_is_one_selector() -> None:
    one, two = held(1), held(2, copies={"R1": ("R1-000001", "R1-000002")})
    three = held(3, copies={"R1": ("R1-000002",)})
    some = refresh(holdings(one, two, three), ["R1-000001"], NEW)
    assert ids(some) == {1, 2}
    assert "object(" in text_of(some) and "<- all" not in text_of(some)
    everything = refresh(holdings(one, two), ["R1-000001"], NEW)
    assert "<- all" in text_of(everything)


def test_copies_go_from_one_drive_to_the_next() -> None:
    outputs = (*NEW, Output(HeldDrive("second", "/second")))
    text = text_of(migrate(holdings(held(1)), ["R1"], outputs))
    assert "agent write_new -> new { * <- read_R1 }" in text
    assert "copy group copy2 of copy1" in text and "agent write_second -> second { * <- write_new }" in text


def test_the_drive_that_has_most_is_read_and_the_fewest_volumes() -> None:
    both = {"R1": ("R1-000001", "R1-000002"), "R2": ("R2-000001",)}
    drafted = migrate(holdings(held(1, copies=both), held(2, copies=both)), ["R1", "R2"], NEW)
    assert [read.drive.name for read in drafted.draft.reads] == ["R2"]


def test_what_the_new_drive_holds_is_not_read_again() -> None:
    there = held(1, copies={"R1": ("R1-000001",), "new": ("new-000001",)})
    drafted = migrate(holdings(there, held(2)), ["R1"], NEW)
    assert ids(drafted) == {2}
    with pytest.raises(NothingToDraft, match="already"):
        migrate(holdings(there), ["R1"], NEW)


def test_compact_takes_only_what_is_kept_from_volumes_that_are_half_expired() -> None:
    old, kept = held(1, kept=False), held(2, bytes=900, kept=True)
    fresh = held(3, copies={"R1": ("R1-000002",)})
    drafted = compact(holdings(old, kept, fresh), [], [], NEW)
    assert ids(drafted) == {2}
    assert "<- all" not in text_of(drafted), "all would bring the expired ones, too"
    with pytest.raises(NothingToDraft, match="more that has expired"):
        compact(holdings(fresh), [], [], NEW)
    with pytest.raises(NothingToDraft, match="recycle"):
        compact(holdings(old), [], [], NEW)
    assert ids(compact(holdings(old, kept, fresh), [], ["R1-000002"], NEW)) == {3}


def test_catch_up_brings_each_drive_what_it_lacks_and_nothing_else() -> None:
    one = held(1, copies={"R1": ("R1-000001",)}, lacking=("R2",))
    two = held(2, "dump", copies={"R1": ("R1-000001",)}, lacking=("R2", "R3"))
    drafted = catch_up(holdings(one, two, more=("R2", "R3")))
    text = text_of(drafted)
    assert drafted.left == ()
    agent = text.partition("agent write_R3 -> R3 {")[2].partition("}")[0]
    assert agent.count("<-") == 1 and "night/dump" in agent
    assert text.partition("agent write_R2 -> R2 {")[2].partition("}")[0].count("<-") == 2


def test_drives_that_need_each_other_are_caught_up_one_after_the_other() -> None:
    one = held(1, copies={"R1": ("R1-000001",)}, lacking=("R2",))
    two = held(2, copies={"R2": ("R2-000001",)}, lacking=("R1",))
    drafted = catch_up(holdings(one, two))
    assert len(drafted.draft.outputs) == 1
    assert [why for _, why in drafted.left] == ["drive R2 is needed to read for another: draft again after this run"]
    text_of(drafted)


def test_catch_up_of_one_session_and_of_none() -> None:
    one, two = held(1, lacking=("R2",)), held(2, lacking=("R2",))
    assert ids(catch_up(holdings(one, two, more=("R2",)), "session 2")) == {2}
    with pytest.raises(NothingToDraft, match="no copy is missing"):
        catch_up(holdings(held(1)))
    with pytest.raises(NothingToDraft, match="--plan"):
        catch_up(holdings(one))
    with pytest.raises(NothingToDraft, match="no copy is missing"):
        catch_up(holdings(held(1, kept=False, lacking=("R2",)), more=("R2",)))


def test_a_chain_is_in_restore_order_and_in_one_piece() -> None:
    full = held(1)
    first = held(2, level="incremental", parent=full.id)
    second = held(3, level="incremental", parent=first.id, copies={"R2": ("R2-000001",)})
    stray = held(4, "other")
    drafted = chain(holdings(full, first, second, stray), "night/home", (Output(HeldDrive("c", "/c"), "/spool"),))
    assert [h.number for read in drafted.draft.reads for h in read.objects] == [1, 2, 3]
    assert 'order = "object"' in text_of(drafted)
    with pytest.raises(NothingToDraft, match="no whole full"):
        chain(holdings(first), "night/home", NEW)


def test_links_in_a_circle_are_no_chain() -> None:
    one = held(1, level="incremental", parent=held(2).id)
    two = held(2, level="incremental", parent=held(1).id)
    with pytest.raises(NothingToDraft):
        chain(holdings(one, two), "night/home", NEW)


def test_recovery_takes_the_newest_of_each_source_to_targets() -> None:
    drafted = restore(
        holdings(held(1), held(2), held(3, "dump", kind="command")), ["night/home", "night/dump"], "/back"
    )
    text = text_of(drafted)
    assert ids(drafted) == {2, 3}
    assert 'target to_home { files = "/back" }' in text
    assert 'target to_dump { stream = "/back/dump" }' in text


def test_recovery_of_an_incremental_takes_its_chain_through_one_buffer() -> None:
    full = held(1)
    link = held(2, level="incremental", parent=full.id)
    drafted = restore(holdings(full, link, held(3, "dump", kind="stream")), ["night/home", "night/dump"], "/back")
    text = text_of(drafted)
    assert 'chain("night/home")' in text and text.count("<- object(") == 1
    assert "reads 3 object(s)" in text
    elsewhere = held(2, level="incremental", parent=full.id, copies={"R2": ("R2-000001",)})
    partly = restore(holdings(full, elsewhere, held(3, "dump", kind="stream")), ["night/home", "night/dump"], "/back")
    assert [why for _, why in partly.left] == [
        "no one drive holds its whole chain: `tcc restore` takes it from several"
    ]
    with pytest.raises(NothingToDraft, match="tcc restore"):
        restore(holdings(full, elsewhere), ["night/home"], "/back")


@pytest.mark.parametrize(("size", "records", "expected"), [(0, 1, 2**16), (5_000_000, 2, 2**23), (10**9, 960, 2**20)])
def test_record_is_large_enough_for_every_record(size: int, records: int, expected: int) -> None:
    assert record_bytes(held(1, bytes=size, records=records)) == expected


names = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12).filter(
    lambda n: bool(n.strip()) and "${" not in n
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(names, st.sampled_from(["R1", "R 2", "for"]), st.booleans()), min_size=1, max_size=6),
    names,
)
def test_every_draft_is_a_plan_whatever_things_are_called(each: list[tuple[str, str, bool]], new: str) -> None:
    objects = [
        held(n, source, kept=kept, copies={drive: (f"{drive}-000001",)}, lacking=("lost",) if kept else ())
        for n, (source, drive, kept) in enumerate(each, 1)
    ]
    world = holdings(*objects, more=("lost",))
    output = (Output(HeldDrive(new, "/new/${".replace("${", "")), "/spool"),)
    made = []
    for make in (
        lambda: migrate(world, list(world.drives), output),
        lambda: demultiplex(world, [], [], output),
        lambda: catch_up(world),
        lambda: restore(world, [objects[0].name], "/back"),
    ):
        try:
            made.append(make())
        except NothingToDraft:
            continue
    for drafted in made:
        text_of(drafted)


@pytest.mark.parametrize("kind", ["compact", "refresh", "migrate"])
def test_what_is_not_at_hand_is_named_and_never_passed_over_in_silence(kind: str) -> None:
    """A volume whose objects were "all copied" is thrown away; an object that goes on elsewhere must not go with it."""
    spans = held(1, copies={}, away=(HeldCopy("R1", ("R1-000001", "R1-000002")),))
    there = held(2)
    makes = {
        "compact": lambda has: compact(has, (), ("R1-000001",), NEW),
        "refresh": lambda has: refresh(has, ("R1-000001",), NEW),
        "migrate": lambda has: migrate(has, ("R1",), NEW),
    }
    drafted = makes[kind](holdings(spans, there))
    assert [(h.id, "R1 are at hand" in why) for h, why in drafted.left] == [(spans.id, True)]
    assert [h.id for read in drafted.draft.reads for h in read.objects] == [there.id]
    copied = held(1, copies={"new": ("new-000001",)}, away=spans.away)
    assert makes[kind](holdings(copied, there)).left == ()
    if kind != "compact":
        with pytest.raises(NothingToDraft, match="are at hand"):
            makes[kind](holdings(spans, more=("R1",)))


def test_a_full_of_a_chain_bears_its_size_and_rate_as_far_as_they_are_known() -> None:
    full = held(1, bytes=3_000_000)
    link = held(2, level="incremental", parent=full.id, bytes=1_000_000, copies={"R2": ("R2-000001",)})
    has = holdings(full, link)
    text = text_of(consolidate(has, ["night/home"], NEW))
    assert "size = 4MB # at most" in " ".join(text.split()) and "rate" not in text
    for name, rate in (("R1", (30_000_000, 90_000_000)), ("R2", (10_000_000, 10_000_000))):
        has.drives[name] = HeldDrive(name, f"/media/{name}", rate=rate)
    written = (Output(HeldDrive("new", "/new", rate=(20_000_000, 100_000_000))),)
    text = " ".join(text_of(consolidate(has, ["night/home"], written)).split())
    assert "rate = 20MB/s..100MB/s" in text, text
    assert "rate = 20MB/s # at least" in text, "3 MB at 30 MB/s and 1 MB at 10 MB/s: 4 MB in 0.2 s"
