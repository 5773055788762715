"""Whether a ``schedule`` can be an OnCalendar expression at all (systemd.time(7), "Calendar Events").

Only what is surely none is refused: systemd has the last word, and is asked when units are made (cli/units.py).
"""

from __future__ import annotations

import re

_SHORTHANDS = frozenset({"minutely", "hourly", "daily", "weekly", "monthly", "quarterly", "yearly"})
_SHORTHANDS |= {"semiannually", "semi-annually", "biannually", "bi-annually", "annually", "anually"}
_DAY = r"(?:mon(?:day)?|tue(?:sday)?|wed(?:nesday)?|thu(?:rsday)?|fri(?:day)?|sat(?:urday)?|sun(?:day)?)"
_DAYS = re.compile(rf"{_DAY}(?:(?:,|\.\.|-){_DAY})*")
_DATE = re.compile(r"[0-9*/,.]+(?:[-~][0-9*/,.]+)+|[0-9*/,.]+")
_TIME = re.compile(r"[0-9*/,.]+:[0-9*/,.:]+")


def may_be_calendar(text: str) -> bool:
    """Whether *text* begins like one: with a shorthand, week days, a date with ``-``, or a time with ``:``."""
    words = text.lower().split()
    if not words:
        return False
    if words[0] in _SHORTHANDS or words[0].startswith("@"):
        return len(words) <= 2
    days = _DAYS.fullmatch(words[0])
    rest = words[1:] if days else words
    if not rest or (days and rest[0].isalpha()):  # a time zone
        return True
    first = rest[0]
    if _TIME.fullmatch(first):
        return True
    return bool(_DATE.fullmatch(first)) and ("-" in first or "~" in first)
