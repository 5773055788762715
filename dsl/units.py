"""Numbers, sizes, rates and durations: reading them, and printing them back.

Sizes are whole bytes, rates whole bytes per second, durations seconds. A fraction such as ``0.5GiB`` is exact; what is
not a whole byte (``1.1KiB``) is rounded down, so that a size never promises more than the plan says. Nothing larger
than ``LARGEST`` (2⁶³ − 1) is read, and no number longer than ``LONGEST`` characters: no plan needs one, and they would
only serve to make the reader slow.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal

BINARY = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
DECIMAL = {"kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
SIZE_UNITS = {**BINARY, **DECIMAL}
TIME_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

LARGEST = (1 << 63) - 1
LONGEST = 40

Kind = Literal["number", "size", "rate", "duration"]

# Whatever begins like a number, as far as a reader would take it for one: `1Gb`, `1.2.3`, `30MB/sec`, `-1`, `.5`.
LOOKS_LIKE_QUANTITY = re.compile(r"[-+]?(?:\.(?=[0-9]))?[0-9](?:\w|\.(?!\.)|/)*")
_PARTS = re.compile(r"([-+]?)((?:[0-9]|\.(?!\.))*)(.*)", re.DOTALL)
_PLAIN = re.compile(r"[0-9]+(?:\.[0-9]+)?")

_KNOWN_SLIPS = {
    "b": "sizes begin at `kB` and `KiB`; a bare number has no unit",
    "k": "write `kB` (1000 bytes) or `KiB` (1024 bytes)",
    "w": "write days: `7d` is a week",
    "ms": "the smallest unit is the second: `0.5s`",
    "min": "minutes are `m`: `30m`",
    "sec": "seconds are `s`: `90s`",
    "hour": "hours are `h`: `6h`",
    "day": "days are `d`: `2d`",
}
_ALL_UNITS = "sizes are kB, MB, GB, TB, KiB, MiB, GiB, TiB; rates a size and `/s`; durations s, m, h, d"


@dataclass(frozen=True, slots=True)
class Quantity:
    """What a text says: its kind, and its value in bytes, bytes per second, seconds, or without a unit."""

    kind: Kind
    value: int | float


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a text is no quantity, and what to write instead."""

    message: str
    help: str


def read(text: str) -> Quantity | Unreadable:
    """Read ``8``, ``0.5``, ``64KiB``, ``30MB/s``, ``2d``. Never raises; any text is allowed."""
    if len(text) > LONGEST:
        return Unreadable("a number with too many digits", f"at most {LONGEST} characters are read")
    sign, digits, unit = _PARTS.match(text).groups()  # type: ignore[union-attr]
    if sign:
        return Unreadable(f"`{text}` has a sign", "numbers here are never negative: write it without the sign")
    if not _PLAIN.fullmatch(digits):
        return _bad_digits(text, digits)
    if len(digits) > 1 and digits[0] == "0" and digits[1] != ".":
        return Unreadable(f"`{text}` begins with a zero", f"write `{digits.lstrip('0') or '0'}{unit}`")
    return _with_unit(text, digits, unit)


def _with_unit(text: str, digits: str, unit: str) -> Quantity | Unreadable:
    amount = Fraction(digits)
    if not unit:
        number = float(amount) if "." in digits else int(amount)
        return _bounded(text, Quantity("number", number))
    if unit in TIME_UNITS:
        seconds = amount * TIME_UNITS[unit]
        whole = seconds.denominator == 1
        return _bounded(text, Quantity("duration", int(seconds) if whole else float(seconds)))
    size_unit = unit.removesuffix("/s")
    if size_unit in SIZE_UNITS:
        kind: Kind = "size" if size_unit == unit else "rate"
        return _bounded(text, Quantity(kind, int(amount * SIZE_UNITS[size_unit])))
    return Unreadable(f"`{unit}` in `{text}` is no unit", _unit_help(digits, unit))


def _bounded(text: str, quantity: Quantity) -> Quantity | Unreadable:
    if quantity.value > LARGEST:
        return Unreadable(f"`{text}` is too large", f"the largest value is {LARGEST} (bytes, seconds, …)")
    return quantity


def _bad_digits(text: str, digits: str) -> Unreadable:
    if digits.count(".") > 1:
        return Unreadable(f"`{text}` has more than one point", "write one point, as in `0.5`")
    if digits.startswith("."):
        return Unreadable(f"`{text}` has no digit before its point", f"write `0{text}`")
    return Unreadable(f"`{text}` has no digit behind its point", "write a digit, as in `1.0`, or leave the point out")


def _unit_help(digits: str, unit: str) -> str:
    base, slash, _ = unit.partition("/")
    if slash:
        if base in SIZE_UNITS:
            return f"a rate is a size and `/s`: write `{digits}{base}/s`"
        fitting = _fitting_sizes(base)
        return f"write {_either(digits, fitting, '/s')}" if fitting else _ALL_UNITS
    if re.fullmatch(r"[smhd][0-9].*", base):
        return "write one unit: `90m`, not `1h30m`"
    fitting = _fitting_sizes(base)
    if fitting:
        return f"write {_either(digits, fitting, '')}"
    word = base.lower().rstrip("s") if len(base) > 2 else base.lower()
    word = {"minute": "min", "second": "sec", "hr": "hour", "week": "w"}.get(word, word)
    return _KNOWN_SLIPS.get(word, _ALL_UNITS)


def _fitting_sizes(unit: str) -> list[str]:
    """The sizes that ``unit`` was likely meant to be: `Gb`, `gb`, `G`, `GIB`, `MiBs`, `kbps`."""
    lower = unit.lower().removesuffix("ps")
    lower = lower.rstrip("s") if len(lower) > 2 else lower
    exact = [name for name in SIZE_UNITS if name.lower() == lower]
    if not exact:
        return [name for name in SIZE_UNITS if name[0].lower() == lower and lower != "m"]
    same_letter = [name for name in SIZE_UNITS if name[0].lower() == lower[0]]
    return (
        exact if unit.lower() == lower and lower.endswith("ib") else exact + [n for n in same_letter if n not in exact]
    )


def _either(digits: str, units: list[str], suffix: str) -> str:
    return " or ".join(f"`{digits}{unit}{suffix}` ({SIZE_UNITS[unit]:,} bytes each)" for unit in units)


# ---------------------------------------------------------------- printing


def print_number(value: int | float) -> str:
    """``8``, ``0.5``; a float keeps its point, so that it is read back as one."""
    if isinstance(value, int):
        return str(value)
    text = format(Decimal(repr(value)), "f")
    return text if "." in text else text + ".0"


def print_size(size_bytes: int) -> str:
    """The smallest whole count of a unit (``1MiB``, ``3GB``); what fits none, in kB with a point (``0.5kB``)."""
    whole = [(size_bytes // factor, unit) for unit, factor in SIZE_UNITS.items() if size_bytes % factor == 0]
    if size_bytes == 0:
        return "0kB"
    if whole:
        count, unit = min(whole)
        return f"{count}{unit}"
    return f"{size_bytes // 1000}.{size_bytes % 1000:03d}".rstrip("0") + "kB"


def print_rate(bytes_per_second: int) -> str:
    """As a size, and ``/s``."""
    return print_size(bytes_per_second) + "/s"


def print_duration(seconds: int | float) -> str:
    """The largest unit that gives a whole count (``90s``, ``6h``, ``2d``), or seconds with a point (``0.5s``)."""
    if isinstance(seconds, float):
        return print_number(seconds) + "s"
    for unit, factor in reversed(TIME_UNITS.items()):
        if seconds % factor == 0 and (seconds or unit == "s"):
            return f"{seconds // factor}{unit}"
    return f"{seconds}s"
