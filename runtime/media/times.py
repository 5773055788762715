"""Times as the media bear them: UTC text ``YYYY-MM-DDTHH:MM:SS.mmmZ``."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Final

_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: The first second that is no time of the media (year 2242): what does not fit a ustar mtime.
_LIMIT: Final = 8**11


def now_text() -> str:
    """This moment; of a clock beyond what the media can bear (before 1970, after 2242), its first or last one."""
    milliseconds = min(max(0, time.time_ns() // 1_000_000), _LIMIT * 1000 - 1)
    moment = _EPOCH + timedelta(milliseconds=milliseconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def is_time(text: object) -> bool:
    """Whether *text* is a time of the media that exists in the calendar, between 1970 and 2242 (a ustar mtime)."""
    try:
        return isinstance(text, str) and 0 <= seconds_of_time(text) < _LIMIT
    except ValueError:
        return False


def seconds_of_time(text: str) -> int:
    """The whole second of Unix time that *text* says. Raises ValueError where it is none."""
    if _TIME.fullmatch(text) is None:
        raise ValueError(f"not a time: {text!r}")
    moment = datetime.fromisoformat(text[:19]).replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(seconds=1)


def text_of(seconds: float) -> str:
    """Unix time as the media bear times; what lies outside the calendar is told as its first or last moment."""
    try:
        moment = _EPOCH + timedelta(milliseconds=max(0, round(seconds * 1000)))
    except OverflowError:
        return "9999-12-31T23:59:59.999Z"
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
