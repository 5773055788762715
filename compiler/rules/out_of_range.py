"""TC207: a value out of its range.

Why: what the engine or the format on the media cannot do is refused before the night, not in it.

    plan night { record = 1KiB }      # 64KiB..16MiB

Mend: the message says which values are possible.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...dsl.diagnostics import Diagnostic
from ...dsl.spans import Span
from ...runtime import kinds
from ..model import Model
from ..rule import Rule
from ..tree import in_bytes

RULE = Rule("TC207", "a value out of its range")


def too_long(span: Span, most: int) -> Diagnostic:
    """The diagnostic for a string that grows beyond *most* characters when its variables are filled in."""
    return RULE.at(span, f"with its variables filled in, the string is longer than {most} characters")


def too_much_text(span: Span, most: int) -> Diagnostic:
    """The diagnostic for the string that brings all strings of a program beyond *most* characters."""
    return RULE.at(
        span,
        f"with their variables filled in, the program's strings are longer than {most} characters together",
        help="shorter strings in loops, or several plans",
    )


def backwards(low: str, high: str, span: Span) -> Diagnostic:
    """The diagnostic for a range whose second end is the smaller one."""
    return RULE.at(span, f"the range {low}..{high} runs backwards", help=f"write `{high}..{low}`")


def too_many(count: int, most: int, span: Span) -> Diagnostic:
    """The diagnostic for loops that repeat more statements than a program may have."""
    return RULE.at(
        span,
        f"this for brings the program to {count} statements; it may have {most}",
        help="a smaller range, or several plans",
    )


def check(model: Model) -> Iterator[Diagnostic]:
    """Every attribute whose value is out of its range, and every name too long for the media."""
    for statement in model.statements:
        for problem in statement.problems:
            if problem.code == RULE.code:
                yield RULE.at(problem.span, problem.message, help=problem.help)
    length = len(kinds.encode_name(model.plan_name))
    if model.plan is None and length > kinds.SOURCE_NAME_BYTES_MAX:
        yield RULE.at(
            Span(model.main_file, 1, 1, 1, 1),
            f"the plan bears its file's name, which has {length} bytes as volumes hold it; "
            f"there is room for {kinds.SOURCE_NAME_BYTES_MAX}",
            help="give it a name: `plan NAME`",
        )
    least = model.record + kinds.VOLUME_OVERHEAD_BYTES
    for statement in model.statements:
        capacity = statement.settings.get("capacity")
        if capacity is not None and isinstance(capacity.value, int) and capacity.value < least:
            yield RULE.at(
                capacity.span,
                f"a volume of {in_bytes(capacity.value)} has no room for a record of {in_bytes(model.record)}",
                help=f"`capacity` must be at least {in_bytes(least)}: one record, the label and the index",
            )
