"""Media that were damaged in every way at once, or cut at any byte, under copy runs, restores and rebuilds."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest
from harm import LABEL, Volume, harm
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tapechain.runtime.catalog.rebuild import catalog_of_volumes
from tapechain.runtime.faults import Fault, MediaFault
from tapechain.runtime.media.volume import open_volume
from tapechain.runtime.restore.reading import ObjectReader, RecordLost
from tapechain.runtime.restore.shelf import Shelf
from tapechain.runtime.restore.verify import verify

#: ``TCC_EXAMPLES=1000 python -m pytest --timeout 0 --hypothesis-seed N`` tries more, and others.
EXAMPLES = int(os.environ.get("TCC_EXAMPLES", "12"))
pytestmark = pytest.mark.timeout(110 if EXAMPLES < 100 else 0)


def volumes_of(world: Any, drive: str) -> list[Volume]:
    found = []
    for path in world.volumes(drive):
        with open_volume(path) as reader:
            members = [(m.position, m.end) for m in reader.members(LABEL, reader.size, check=True)]
        data = path.read_bytes()
        found.append(Volume(path, data, ((0, LABEL), *members, (members[-1][1], len(data))), (len(data),)))
    return found


@given(seed=st.integers(0, 2**32), both=st.booleans())
@example(seed=900317, both=False)  # what a damaged volume tells of an object has another count of bytes
@example(seed=41260642, both=False)  # a label that moved: the volume cannot say which one it is
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_was_done_to_media_a_copy_is_right_or_names_what_lacks(
    tmp_path_factory: Any, support: Any, copying_in: Any, of_object: Any, seed: int, both: bool
) -> None:
    """Lost, doubled, exchanged, misdirected, torn, cut, older and foreign blocks, on R1 alone or on both copies."""
    dice = random.Random(seed)
    world = support.World(tmp_path_factory.mktemp("harm"))
    copying = copying_in(world)
    contents = {name: dice.randbytes(dice.randrange(1, 400_000)) for name in "abc"}
    ids = world.run(contents, ("R1", "R2"), capacity=dice.choice([None, 300_000]))
    for drive in ("R1", "R2") if both else ("R1",):
        found, done = harm(volumes_of(world, drive), dice)
        for path, data in found.items():
            if data is None:
                path.unlink()
            else:
                path.write_bytes(data)
    try:
        report = copying.simple("a", "b", "c")
    except Fault as fault:  # a refusal is an answer, too: a label or an index was damaged
        # An object of which the folder has no volume any more is not on that drive.
        named = ("passed over", "holds no", "is not whole", *(["selects nothing"] if "gone" in done else []))
        assert both or any(word in str(fault) for word in named), (done, fault)
        return
    for name, object_id in ids.items():
        one = of_object(report, object_id)
        if one.status == "whole" and one.copies[0].status == "stored":
            assert copying.payload("N1", object_id) == contents[name], done
        else:
            assert both, (done, one)
            assert one.error or one.copies[0].error, (done, one)


def small(world: Any) -> tuple[Path, bytes, dict[str, bytes], dict[str, str]]:
    """A volume with three small objects."""
    contents = {"a": b"a" * 3000, "b": b"", "c": os.urandom(1700)}
    ids = world.run(contents)
    (volume,) = world.volumes("R1")
    return volume, volume.read_bytes(), contents, ids


def test_a_small_volume_cut_at_any_byte_gives_what_lies_before_and_names_the_rest(world: Any) -> None:
    """Restoring, verifying, making a catalog anew; ``TCC_EVERY=1`` cuts at each byte, else at the blocks' ends."""
    volume, data, contents, ids = small(world)
    with open_volume(volume) as reader:
        ends = {m.header.object_id: m.end for m in reader.scan()}
    every = bool(os.environ.get("TCC_EVERY"))
    cuts = [n for n in range(len(data)) if every or (n % 512 in {0, 1, 511} and (n > LABEL - 1024 or n % 4096 == 0))]
    into = memoryview(bytearray(1 << 20))
    with world.catalog() as catalog:
        known, places = {o.id: o for o in catalog.objects()}, catalog.volumes()
        for cut in cuts:
            volume.write_bytes(data[:cut])
            said = verify(catalog, Shelf(places), volumes=places)
            assert not said.sound or said.volumes[0].notes, cut
            states = {o.object: o.status for o in said.objects}
            for name, key in ids.items():
                there = cut >= max(LABEL, ends[key])
                assert states[key] == ("sound" if there else "lost"), (cut, name)
                reading = ObjectReader(known[key], known[key].copies, Shelf(places))
                try:
                    header = next(reading.records(into))
                    assert there and bytes(into[1536 : 1536 + header.payload_bytes]) == contents[name], (cut, name)
                except RecordLost as loss:
                    assert not there and "R1-000001" in str(loss), (cut, name, loss)
                finally:
                    reading.close()
            rebuilt, faults = catalog_of_volumes([volume])
            with rebuilt:
                whole = {o.id for o in rebuilt.objects() if o.status == "whole"}
            assert whole == {key for key in ids.values() if cut >= max(LABEL, ends[key])}, cut
            assert cut >= LABEL or [f for f in faults if isinstance(f, MediaFault)], cut


def test_copies_of_a_volume_that_was_cut_hold_what_lies_before(copying: Any, world: Any, of_object: Any) -> None:
    volume, data, contents, ids = small(world)
    with open_volume(volume) as reader:
        ends = {m.header.object_id: m.end for m in reader.scan()}
    for end in sorted(ends.values()):
        for cut in (end - 1, end, end + 1, end + 700):
            volume.write_bytes(data[:cut])
            try:
                report = copying.simple("all(a)", "all(b)", "all(c)", again=True)
            except Fault as fault:
                assert any(cut < ends[key] for key in ids.values()), (cut, fault)
                continue
            for name, key in ids.items():
                one = of_object(report, key)
                stored = one.status == "whole" and one.copies[0].status == "stored"
                assert stored == (cut >= ends[key]), (cut, name, one)
            for name, key in ids.items():
                if cut >= ends[key]:
                    with catalog_of_volumes([world.folder / "fresh"])[0] as told:
                        (item,) = [o for o in told.objects() if o.id == key]
                        reading = ObjectReader(item, item.copies, Shelf(told.volumes()))
                        into = memoryview(bytearray(1 << 20))
                        header = next(reading.records(into))
                        assert bytes(into[1536 : 1536 + header.payload_bytes]) == contents[name]
                        reading.close()


def test_what_a_target_lost_since_is_copied_again_though_the_catalog_knows_it(
    copying: Any, world: Any, of_object: Any
) -> None:
    """Its volume was cut behind the catalog's back: what lies there counts."""
    contents = {"a": os.urandom(300_000), "b": os.urandom(200_000)}
    ids = world.run(contents)
    assert copying.simple("a", "b").status == "ok"
    (target,) = (world.folder / "fresh" / "N1").glob("*.tar")
    os.truncate(target, target.stat().st_size // 2)
    report = copying.simple("a", "b")
    assert report.status == "ok", report
    for name, key in ids.items():
        assert "N1" not in of_object(report, key).already
        with catalog_of_volumes([world.folder / "fresh"])[0] as told:
            (item,) = [o for o in told.objects() if o.id == key]
            assert item.status == "whole", name
