"""Volumes damaged at random: while an intact copy of each record is left all comes back, and nothing is ever wrong."""

from __future__ import annotations

import io
import os
import random
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tapechain.cli.main import _main
from tapechain.runtime.faults import Fault
from tapechain.runtime.media.unlabelled import open_anyhow
from tapechain.runtime.media.volume import open_volume

BLOCK = 64 * 1024
DRIVES = ("R1", "R2")
PLACE = st.floats(0, 1, exclude_max=True)
HARM = st.one_of(
    st.tuples(st.just("flip"), PLACE, PLACE),
    st.tuples(st.just("zero"), PLACE, PLACE),
    st.tuples(st.just("double"), PLACE, PLACE),
    st.tuples(st.just("swap"), PLACE, PLACE),
    st.tuples(st.just("tear"), PLACE, PLACE),
    st.tuples(st.just("noise"), PLACE, PLACE),
)
HARMS = st.lists(st.tuples(st.sampled_from(DRIVES), st.integers(0, 5), HARM), min_size=1, max_size=6)
#: ``TCC_EXAMPLES=1000 python -m pytest --timeout 0 --hypothesis-seed N`` tries more, and others.
EXAMPLES = int(os.environ.get("TCC_EXAMPLES", "12"))
pytestmark = pytest.mark.timeout(110 if EXAMPLES < 100 else 0)
SLOWLY = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def harm(volume: Path, what: tuple[str, float, float]) -> None:
    kind, first, second = what
    data = bytearray(volume.read_bytes())
    if not data:
        return
    # Records begin behind the label, so that whole ones are hit as well as parts of two.
    a, b = int(first * len(data)), int(second * len(data))
    if kind in {"double", "swap"} and a % 2:
        a, b = (16_384 + (p - 16_384) // BLOCK * BLOCK if p > 16_384 else p for p in (a, b))
    if kind == "flip":
        data[a] ^= 1 << (b % 8)
    elif kind == "zero":
        data[a : a + 3000] = bytes(len(data[a : a + 3000]))
    elif kind == "noise":
        data[a : a + 3000] = random.Random(b).randbytes(len(data[a : a + 3000]))
    elif kind == "double":
        data[b : b + BLOCK] = data[a : a + BLOCK]
    elif kind == "swap":
        one, two = bytes(data[a : a + BLOCK]), bytes(data[b : b + BLOCK])
        size = min(len(one), len(two))
        data[a : a + size], data[b : b + size] = two[:size], one[:size]
    else:
        del data[a:]
    volume.write_bytes(data)


class Hurt:
    """Two objects on two drives, several volumes each; then the harm. ``left``: records that some copy has intact."""

    def __init__(self, support: Any, base: Path, data: bytes, kind: str, harms: Any, capacity: int | None) -> None:
        self.world = support.World(base)
        other = random.Random(1).randbytes(200_000)
        ids = self.world.run({"other": other, "D": support.Item(data, kind)}, DRIVES, capacity=capacity)
        whole = {v: v.read_bytes() for drive in DRIVES for v in self.world.volumes(drive)}
        places = [
            (sequence, volume, *at) for volume in whole for sequence, at in support.positions(volume, ids["D"]).items()
        ]
        for drive, number, what in harms:
            volumes = self.world.volumes(drive)
            harm(volumes[number % len(volumes)], what)
        self.records = {sequence for sequence, *_ in places}
        self.left = {
            sequence
            for sequence, volume, at, size in places
            if volume.read_bytes()[at : at + size] == whole[volume][at : at + size]
        }


@SLOWLY
@example(
    harms=[("R1", 0, ("flip", 0.375, 0.0)), ("R2", 0, ("flip", 0.996, 0.0)), ("R2", 0, ("swap", 0.0, 0.5))],
    capacity=None,
    seed=0,
)  # label, first records and index of one volume are gone, and in its middle lies the last sound copy of a record
@given(harms=HARMS, capacity=st.sampled_from([None, 250_000]), seed=st.integers(0, 9))
def test_a_stream_comes_back_while_each_record_is_left_somewhere(
    support: Any, harms: Any, capacity: int | None, seed: int
) -> None:
    data = random.Random(seed).randbytes(400_000)
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        hurt = Hurt(support, base, data, "stream", harms, capacity)
        result = None
        try:
            result = hurt.world.back("D", base / "to")
        except Fault:
            assert hurt.left != hurt.records
        if hurt.left == hurt.records:
            assert result is not None and result.status == "ok", result
        if result is not None and result.status == "ok":
            assert (base / "to" / "D").read_bytes() == data
        else:
            assert not (base / "to" / "D").exists()
            partial = base / "to" / "D.partial"
            assert not partial.exists() or data.startswith(partial.read_bytes())
        # With nothing but the volumes: what comes back is right, or is not called whole.
        try:
            alone = hurt.world.back("D", base / "alone", given=[base / "media"])
        except Fault:
            return
        if alone.status == "ok":
            assert (base / "alone" / "D").read_bytes() == data
        else:
            assert not (base / "alone" / "D").exists()


@SLOWLY
@example(
    harms=[("R1", 0, ("flip", 0.0, 0.0)), ("R1", 0, ("swap", 0.51, 0.75)), ("R2", 0, ("flip", 0.625, 0.0))], seed=1
)  # records that changed places are found where they are
@given(harms=HARMS, seed=st.integers(0, 9))
def test_a_tree_has_only_right_files_whatever_is_damaged(support: Any, harms: Any, seed: int) -> None:
    rng, out = random.Random(seed), io.BytesIO()
    content = {f"top/f{n:02d}": rng.randbytes(rng.choice([0, 100, 5000, 90_000])) for n in range(20)}
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 1_700_000_000.25
            tar.addfile(info, io.BytesIO(data))
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        hurt = Hurt(support, base, out.getvalue(), "files", harms, None)
        for to, given_volumes in (("to", None), ("alone", [base / "media"])):
            try:
                result = hurt.world.back("D", base / to, given=given_volumes)
            except Fault:
                assert hurt.left != hurt.records or given_volumes
                continue
            root = base / to
            files = {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}
            assert files.items() <= content.items()
            if result.status == "ok":
                assert files == content
            assert given_volumes or hurt.left != hurt.records or result.status == "ok"


@pytest.mark.parametrize("step", [61, pytest.param(7, marks=pytest.mark.slow)])
def test_a_small_volume_truncated_anywhere(
    support: Any, step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each length ends with the data, or with a named fault; never with a crash, never with wrong data."""
    world = support.World(tmp_path)
    world.run({"D": b"data" * 100})
    (volume,) = world.volumes()
    whole = volume.read_bytes()
    with open_volume(volume) as reader:
        record = next(iter(reader.scan()))
        end = record.end
    monkeypatch.setenv("TCC_STATE", str(world.state))
    bounds = [0, 512, 16_384, 16_896, 17_408, 17_920, end, len(whole) - 2048, len(whole) - 1024, len(whole) - 1]
    near = {bound + off for bound in bounds for off in (-1, 0, 1) if 0 <= bound + off < len(whole)}
    for size in sorted(near | set(range(0, len(whole), step))):
        volume.write_bytes(whole[:size])
        try:
            with open_anyhow(volume) as reader:
                found = [o for session in reader.indexes().sessions for o in session.objects if o.records]
        except Fault as fault:
            assert size <= 16_384 or "no label" not in str(fault)
            continue
        assert [o.state for o in found] == (["whole"] if size >= end else []), size
    for size in (*range(16_000, end + 3, 157), end - 1, end, end + 1, end + 513, len(whole) - 1):
        volume.write_bytes(whole[:size])
        shutil.rmtree(tmp_path / "to", ignore_errors=True)
        try:
            result = world.back("D", tmp_path / "to", given=[volume])
        except Fault as fault:
            assert fault.message
            assert size < end
            continue
        assert (result.status == "ok") == (size >= end), size
        assert (tmp_path / "to" / "D").read_bytes() == b"data" * 100
    for size in (0, 100, 16_384, 16_500, end - 1, end, len(whole) - 700):
        volume.write_bytes(whole[:size])
        assert _main(["restore", "D", "--from", str(volume), "--to", str(tmp_path / f"c{size}")]) in {0, 1, 2, 3}
        said = capfd.readouterr()
        assert "internal error" not in said.err
        assert "R1-000001" in said.err or size >= end or "knows no source" in said.err
