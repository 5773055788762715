"""How far apart the elapses of a systemd calendar expression lie, for the common forms (systemd.time(7)).

``daily``, ``Mon..Fri 22:30``, ``*-*-01,15 03:00``, ``*:0/15`` and the like. What is not understood is None: nothing is
guessed. A time zone behind the expression changes no distance but at the turn of summer time, and is passed over.
"""

from __future__ import annotations

import itertools
import re
from datetime import date, timedelta

_WORDS = {
    "minutely": "*-*-* *:*:00",
    "hourly": "*-*-* *:00:00",
    "daily": "*-*-* 00:00:00",
    "monthly": "*-*-01 00:00:00",
    "weekly": "Mon *-*-* 00:00:00",
    "yearly": "*-01-01 00:00:00",
    "annually": "*-01-01 00:00:00",
    "quarterly": "*-01,04,07,10-01 00:00:00",
    "semiannually": "*-01,07-01 00:00:00",
}
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_NUMBERS = r"[0-9*,./]+"
_WEEKDAYS = re.compile(r"[A-Za-z,.]+")
_DATE = re.compile(rf"(?:\*-)?({_NUMBERS})-({_NUMBERS})")
_TIME = re.compile(rf"({_NUMBERS}):({_NUMBERS})(?::({_NUMBERS}))?")
_ZONE = re.compile(r"UTC|[A-Z][A-Za-z_]+/[A-Za-z_/+-]+")
#: Two years that hold a 29 February: every day of the year and of the week in many of their meetings.
_FIRST, _SPAN_DAYS = date(2023, 1, 1), 900
_DAY_SECONDS = 86_400


def longest_gap(expression: str) -> float | None:
    """The most seconds between two elapses of *expression*; None where it is not understood, or elapses only once."""
    words = _WORDS.get(expression.strip().lower(), expression.strip()).split()
    if not words:
        return None
    if len(words) > 1 and _ZONE.fullmatch(words[-1]):
        words.pop()
    weekdays: set[int] | None = set(range(7))
    if words and _WEEKDAYS.fullmatch(words[0]):
        weekdays = _weekdays(words.pop(0))
    months: set[int] | None = set(range(1, 13))
    days: set[int] | None = set(range(1, 32))
    if words and (found := _DATE.fullmatch(words[0])):
        months, days = _numbers(found[1], 1, 12), _numbers(found[2], 1, 31)
        words.pop(0)
    times: list[int] | None = [0]
    if words and (found := _TIME.fullmatch(words[0])):
        times = _times(found[1], found[2], found[3] or "0")
        words.pop(0)
    if words or not (weekdays and months and days and times):
        return None
    elapses = [
        n
        for n in range(_SPAN_DAYS)
        if (day := _FIRST + timedelta(days=n)).weekday() in weekdays and day.month in months and day.day in days
    ]
    if len(elapses) < 2:
        return None
    within = max((later - earlier for earlier, later in itertools.pairwise(times)), default=0)
    overnight = max(b - a for a, b in itertools.pairwise(elapses)) * _DAY_SECONDS - times[-1] + times[0]
    return float(max(within, overnight))


def _times(hours: str, minutes: str, seconds: str) -> list[int] | None:
    """The seconds of a day, in order."""
    parts = (_numbers(hours, 0, 23), _numbers(minutes, 0, 59), _numbers(seconds, 0, 59))
    if not all(parts):
        return None
    h, m, s = (part or set() for part in parts)
    return sorted(3600 * hour + 60 * minute + second for hour in h for minute in m for second in s)


def _numbers(text: str, low: int, high: int) -> set[int] | None:
    """``*``, ``5``, ``1..5``, ``0/15``, and lists of them; None where that is none, or reaches beyond its bounds."""
    found: set[int] = set()
    for part in text.split(","):
        base, slash, step_text = part.partition("/")
        first, dots, last = base.partition("..")
        step = int(step_text) if step_text.isdecimal() else 0 if slash else 1
        if base == "*":
            start, end = low, high
        elif first.isdecimal() and (last.isdecimal() if dots else not last):
            start = int(first)
            end = int(last) if dots else high if slash else start
        else:
            return None
        if step < 1 or not low <= start <= end <= high:
            return None
        found.update(range(start, end + 1, step))
    return found


def _weekdays(text: str) -> set[int] | None:
    """``Mon``, ``Mon..Fri``, ``Sat,Sun``; names may be written out."""
    found: set[int] = set()
    for part in text.lower().split(","):
        ends = part.split("..")
        numbers = [_DAYS.index(end[:3]) for end in ends if len(end) >= 3 and end[:3] in _DAYS]
        if len(numbers) != len(ends) or len(ends) > 2:
            return None
        found.update((numbers[0] + n) % 7 for n in range((numbers[-1] - numbers[0]) % 7 + 1))
    return found
