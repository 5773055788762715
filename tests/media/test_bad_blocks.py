"""Reading around blocks that a medium does not give."""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tapechain.runtime.faults import MediaFault, Place
from tapechain.runtime.media.bad_blocks import FAILED_MAX, PAGE_BYTES, BadBlocks, GivenUp

MEDIUM = random.Random(1).randbytes(96 * PAGE_BYTES + 512)


class Medium:
    """Bytes of which some pages cannot be read; counts what was asked."""

    def __init__(self, bad: set[int]) -> None:
        self.bad = bad
        self.asked = 0

    def __call__(self, view: memoryview, position: int) -> int:
        self.asked += 1
        got = MEDIUM[position : position + len(view)]
        if self.bad & set(range(position // PAGE_BYTES, (position + len(got) - 1) // PAGE_BYTES + 1)):
            raise MediaFault("it cannot be read: EIO", place=Place(volume="v", position=position))
        view[: len(got)] = got
        return len(got)


@given(
    bad=st.sets(st.integers(0, 96), max_size=40),
    start=st.integers(0, 100),
    size=st.integers(1, 800),
    view=st.sampled_from([512, 4096, 20_480, 1 << 17]),
)
@example(bad=set(range(3, 40)), start=0, size=800, view=1 << 17)
def test_what_is_given_is_what_lies_there_in_order(bad: set[int], start: int, size: int, view: int) -> None:
    start, stop = start * 512, min((start + size) * 512, len(MEDIUM))
    blocks = BadBlocks(Medium(bad))
    at, got = start, set()
    for position, data in blocks.pieces(memoryview(bytearray(view)), start, stop):
        assert data and at <= position and position + len(data) <= stop
        assert data == MEDIUM[position : position + len(data)]
        at = position + len(data)
        got |= set(range(position // 512, at // 512))
    lacking = {b for b in range(start // 512, stop // 512) if b // 8 not in bad} - got
    # Only what lies between bad pages may be passed over, where these are many.
    assert all(any(p in bad for p in range(b // 8 - 64, b // 8)) for b in lacking)
    if all(page + 1 not in bad for page in bad):
        assert not lacking


@pytest.mark.parametrize("bad", [(10, 11), (10, 14), (10, 50)])
def test_a_run_of_bad_pages_costs_no_page_beside_it(bad: tuple[int, int]) -> None:
    medium = Medium(set(range(*bad)))
    view = memoryview(bytearray(96 * PAGE_BYTES))
    read = {p // PAGE_BYTES for p, _ in BadBlocks(medium).pieces(view, 0, 96 * PAGE_BYTES)}
    assert read == set(range(96)) - medium.bad
    assert medium.asked < 96 + 20


def test_a_medium_that_gives_nothing_is_left_soon() -> None:
    medium = Medium(set(range(97)))
    blocks = BadBlocks(medium)
    with pytest.raises(
        GivenUp, match=r"v, at byte 512: it cannot be read: EIO; neither can anything up to byte"
    ) as said:
        for base in range(0, 10_000):
            list(blocks.pieces(memoryview(bytearray(4 * PAGE_BYTES)), 512, 90 * PAGE_BYTES))
            assert base < FAILED_MAX
    assert medium.asked == FAILED_MAX
    assert said.value.place.volume == "v"
