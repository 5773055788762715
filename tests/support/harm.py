"""Damage to volumes, at random: what disks, cables, controllers and hands do to bytes."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

LABEL = 16_384
BLOCK = 512


@dataclass(frozen=True)
class Volume:
    """A sound volume: its bytes, and where its members lie as (start, end), the label first."""

    path: Path
    data: bytes
    members: tuple[tuple[int, int], ...]
    #: sizes at which it was complete once: an older copy of it
    ends: tuple[int, ...]


#: Takes the bytes, the volume, all volumes and dice; gives what lies there afterwards.
Harm = Callable[[bytearray, Volume, Sequence[Volume], random.Random], bytes | None]


def _somewhere(volume: Volume, size: int, dice: random.Random) -> int:
    """A place: anywhere, or within a member's first bytes or last ones, where its headers and padding are."""
    if dice.random() < 0.4:
        return dice.randrange(size)
    start, end = dice.choice(volume.members)
    how = dice.random()
    if how < 0.5:
        return min(size - 1, start + dice.randrange(min(1536, end - start)))
    if how < 0.7:
        return min(size - 1, max(start, end - 1 - dice.randrange(600)))
    return min(size - 1, dice.randrange(start, end))


def flip(data: bytearray, volume: Volume, _: Sequence[Volume], dice: random.Random) -> bytes:
    data[_somewhere(volume, len(data), dice)] ^= 1 << dice.randrange(8)
    return bytes(data)


def zeros(data: bytearray, volume: Volume, _: Sequence[Volume], dice: random.Random) -> bytes:
    at = _somewhere(volume, len(data), dice)
    size = min(len(data) - at, dice.choice([1, 8, 512, 4096, 70_000, 300_000]))
    data[at : at + size] = bytes(size)
    return bytes(data)


def noise(data: bytearray, volume: Volume, _: Sequence[Volume], dice: random.Random) -> bytes:
    at = _somewhere(volume, len(data), dice)
    size = min(len(data) - at, dice.choice([2, 16, 512, 4096, 70_000]))
    data[at : at + size] = dice.randbytes(size)
    return bytes(data)


def lost(data: bytearray, volume: Volume, _: Sequence[Volume], dice: random.Random) -> bytes:
    """Blocks that are not there any more: what lies behind them moved."""
    at = _somewhere(volume, len(data), dice) // BLOCK * BLOCK
    del data[at : at + BLOCK * dice.choice([1, 2, 8, 130, 500])]
    return bytes(data)


def lost_member(data: bytearray, volume: Volume, _: Sequence[Volume], dice: random.Random) -> bytes:
    start, end = dice.choice(volume.members)
    del data[start:end]
    return bytes(data)


def doubled(data: bytearray, volume: Volume, _: Sequence[Volume], dice: random.Random) -> bytes:
    at = _somewhere(volume, len(data), dice) // BLOCK * BLOCK
    size = BLOCK * dice.choice([1, 2, 8, 130])
    return bytes(data[: at + size] + data[at:])


def doubled_member(data: bytearray, volume: Volume, _: Sequence[Volume], dice: random.Random) -> bytes:
    start, end = dice.choice(volume.members)
    at = dice.choice(volume.members)[1]
    return bytes(data[:at] + data[start:end] + data[at:])


def swapped(data: bytearray, volume: Volume, _: Sequence[Volume], dice: random.Random) -> bytes:
    size = BLOCK * dice.choice([1, 8, 64])
    one, two = (_somewhere(volume, len(data), dice) // size * size for _ in range(2))
    a, b = bytes(data[one : one + size]), bytes(data[two : two + size])
    if len(a) == len(b) and abs(one - two) >= size:
        data[one : one + size], data[two : two + size] = b, a
    return bytes(data)


def swapped_members(data: bytearray, volume: Volume, _: Sequence[Volume], dice: random.Random) -> bytes:
    one, two = sorted((dice.choice(volume.members), dice.choice(volume.members)))
    if one == two:
        return bytes(data)
    between = data[one[1] : two[0]]
    return bytes(data[: one[0]] + data[slice(*two)] + between + data[slice(*one)] + data[two[1] :])


def misdirected(data: bytearray, volume: Volume, all_of_them: Sequence[Volume], dice: random.Random) -> bytes:
    """A sound member of some volume where another one should be."""
    start, _ = dice.choice(volume.members)
    other = dice.choice(all_of_them)
    low, high = dice.choice(other.members)
    data[start : start + high - low] = other.data[low:high]
    return bytes(data)


def torn(data: bytearray, volume: Volume, _: Sequence[Volume], dice: random.Random) -> bytes:
    """A member of which only the first sectors came to the medium; behind them what was there before."""
    start, end = dice.choice(volume.members)
    sector = dice.choice([512, 4096])
    at = start + dice.randrange(0, max(1, end - start), sector)
    before = dice.choice([bytes(end - at), dice.randbytes(end - at), bytes(data[:end])[at - end :]])
    data[at:end] = before[: end - at]
    return bytes(data)


def cut(data: bytearray, volume: Volume, _: Sequence[Volume], dice: random.Random) -> bytes:
    return bytes(data[: _somewhere(volume, len(data), dice)])


def older(data: bytearray, volume: Volume, _: Sequence[Volume], dice: random.Random) -> bytes:
    """An older copy of the volume, put back."""
    return volume.data[: dice.choice(volume.ends) - 1024] + bytes(1024)


def longer(data: bytearray, volume: Volume, _: Sequence[Volume], dice: random.Random) -> bytes:
    size = dice.choice([1, 512, 10_000, 100_000])
    return bytes(data) + dice.choice([bytes(size), dice.randbytes(size)])


def gone(*_: object) -> None:
    return None


def another(data: bytearray, volume: Volume, all_of_them: Sequence[Volume], dice: random.Random) -> bytes:
    """Another volume under its name."""
    return dice.choice(all_of_them).data


HARMS: dict[Harm, int] = {
    flip: 8, zeros: 4, noise: 4, lost: 3, lost_member: 3, doubled: 3, doubled_member: 3, swapped: 3, swapped_members: 3,
    misdirected: 3, torn: 4, cut: 3, older: 1, longer: 1, gone: 1, another: 1,
}  # fmt: skip


def harm(volumes: Sequence[Volume], dice: random.Random) -> tuple[dict[Path, bytes | None], str]:
    """One to five damages to some of *volumes*: what lies under each name afterwards, and what was done."""
    found: dict[Path, bytes | None] = {volume.path: volume.data for volume in volumes}
    done = []
    for _ in range(dice.choice([1, 1, 1, 2, 3, 5])):
        volume = dice.choice(volumes)
        what = dice.choices(list(HARMS), list(HARMS.values()))[0]
        before = found[volume.path]
        if before:
            found[volume.path] = what(bytearray(before), volume, volumes, dice)
            done.append(f"{what.__name__} {volume.path.stem}")
    return found, ", ".join(done)
