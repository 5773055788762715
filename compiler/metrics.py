"""What ``require`` can be about, and what each metric is compared with (language.md, "Requirements")."""

from __future__ import annotations

from ..dsl.ast import Boolean, Duration, Number, Size, Value
from .model import Condition

#: metrics of each source, and what a broken promise can be mended with
SOURCE_METRICS = {
    "copies": "mirror the source to more drives",
    "sites": "mirror the source to a drive on another site",
    "media": "mirror the source to a drive with other media",
    "hosts": "mirror the source to a drive of another host",
    "encrypted": 'give the source `encrypt = ["age1…"]`',
}
#: metrics of the whole plan
PLAN_METRICS = {
    "memory": "lower `depth` or `record`",
    "duration": "faster drives, or less data",
    "drives": "use more, or fewer, drives",
}
_WANTED: dict[str, tuple[type[Value], str]] = {
    "memory": (Size, "a size, such as 64MiB"),
    "duration": (Duration, "a duration, such as 6h"),
    "encrypted": (Boolean, "true or false"),
}
_COUNT = (Number, "a whole number")


def wanted_value(metric: str) -> tuple[type, str]:
    """The type of value that a metric is compared with, and how messages call it."""
    return _WANTED.get(metric, _COUNT)


def is_known(condition: Condition) -> bool:
    """Whether there is a metric of that name."""
    return condition.metric in SOURCE_METRICS or condition.metric in PLAN_METRICS


def is_comparable(condition: Condition) -> bool:
    """Whether metric, operator and value belong together; where not, another rule says so."""
    kind, _ = wanted_value(condition.metric)
    value = condition.value
    if not isinstance(value, kind) or (isinstance(value, Number) and not isinstance(value.value, int)):
        return False
    return condition.metric != "encrypted" or condition.operator == "=="
