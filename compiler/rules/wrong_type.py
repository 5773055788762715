"""TC206: a value of the wrong type or unit.

Why: ``record = 1`` could mean a byte, a block or a megabyte; the language guesses nothing.

    plan night { record = 1 }

Mend: ``record = 1MiB``. Sizes bear a unit, rates a size and ``/s``, durations ``s m h d``, texts stand in quotes.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...dsl.ast import Boolean
from ...dsl.diagnostics import Diagnostic
from ...dsl.spans import Span
from ..metrics import is_comparable, is_known, wanted_value
from ..model import Model
from ..readers import likely
from ..rule import Rule
from ..tree import is_broken, shown, what_it_is

RULE = Rule("TC206", "a value of the wrong type or unit")


def not_in_a_string(name: str, what: str, span: Span) -> Diagnostic:
    """The diagnostic for a ``${name}`` that stands for a list or a range."""
    return RULE.at(span, f"`{name}` is {what}, which cannot stand inside a string", help="take a single value")


def not_iterable(what: str, span: Span) -> Diagnostic:
    """The diagnostic for a ``for`` over something that is neither a list nor a range of whole numbers."""
    return RULE.at(
        span,
        f"a for repeats its statements for a list or a range of whole numbers; this is {what}",
        help='write `in ["a", "b"]` or `in 1..64`',
    )


def not_of_param(name: str, text: str, wanted: str, example: str, span: Span) -> Diagnostic:
    """The diagnostic for a ``-D`` value that cannot be read as the type of the param's default."""
    return RULE.at(
        span,
        f"-D {name}={text}: param {name} takes {wanted}, as its default is",
        help=f"write it as `-D {name}={example}`",
    )


def check(model: Model) -> Iterator[Diagnostic]:
    """Every attribute whose value is not of the type that the statement takes."""
    for statement in model.statements:
        for problem in statement.problems:
            if problem.code == RULE.code:
                yield RULE.at(problem.span, problem.message, help=problem.help)
    for condition in model.conditions:
        if not is_known(condition) or is_broken(condition.value) or is_comparable(condition):
            continue
        metric = condition.metric
        _, wanted = wanted_value(metric)
        if metric == "encrypted" and isinstance(condition.value, Boolean):
            yield RULE.at(
                condition.metric_span,
                f"`{metric}` is true or false: `{condition.operator}` cannot compare it",
                help=f"write `{metric} == {shown(condition.value)}`",
            )
        else:
            yield RULE.at(
                condition.value.span,
                f"`{metric}` is compared with {wanted}; this is {what_it_is(condition.value)}",
                help=likely(wanted, condition.value) or f"write it like `{_example(metric, condition.operator)}`",
            )


def _example(metric: str, operator: str) -> str:
    """A condition that *metric* can be in."""
    if metric == "encrypted":
        return "encrypted == true"
    return f"{metric} {operator} {wanted_value(metric)[1].partition('such as ')[2] or '2'}"
