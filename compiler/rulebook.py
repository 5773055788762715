"""All rules: code → rule, and the checks in the order in which they run.

A rule without a check here is found by an earlier step (load, expand), which calls the rule's module for its words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..dsl.diagnostics import Diagnostic
from .graph import Graph
from .model import Model
from .passes.layout import Layout
from .requirements import Verdict
from .rule import Rule
from .rules import (
    chain_place,
    copies_on_one_site,
    cycle,
    declared_twice,
    empty,
    include_fails,
    no_run,
    no_spool,
    one_thing,
    out_of_range,
    own_output,
    past_its_stage,
    picks_nothing,
    reached_twice,
    read_and_written,
    single_copy,
    slow_mirror,
    starved_drive,
    too_long,
    too_much_memory,
    two_feeds,
    two_writers,
    unfed_target,
    unknowable_requirement,
    unknown_attribute,
    unknown_name,
    unknown_variable,
    unmet_requirement,
    unread_source,
    unrecorded,
    unused_drive,
    wait_cycle,
    what_it_is,
    wrong_arrow,
    wrong_kind,
    wrong_of,
    wrong_type,
)

ALL: tuple[Rule, ...] = (
    Rule("TC101", "a token that the grammar does not expect there"),
    Rule("TC102", "a string that does not end"),
    Rule("TC103", "a number, size, rate or duration that cannot be read"),
    include_fails.RULE,
    unknown_variable.RULE,
    unknown_name.RULE,
    declared_twice.RULE,
    wrong_kind.RULE,
    unknown_attribute.RULE,
    what_it_is.RULE,
    wrong_type.RULE,
    out_of_range.RULE,
    unrecorded.RULE,
    picks_nothing.RULE,
    cycle.RULE,
    two_writers.RULE,
    two_feeds.RULE,
    past_its_stage.RULE,
    wrong_of.RULE,
    wrong_arrow.RULE,
    read_and_written.RULE,
    one_thing.RULE,
    empty.RULE,
    wait_cycle.RULE,
    no_spool.RULE,
    chain_place.RULE,
    reached_twice.RULE,
    unmet_requirement.RULE,
    unknowable_requirement.RULE,
    too_much_memory.RULE,
    too_long.RULE,
    unread_source.RULE,
    unused_drive.RULE,
    single_copy.RULE,
    copies_on_one_site.RULE,
    slow_mirror.RULE,
    own_output.RULE,
    starved_drive.RULE,
    no_run.RULE,
    unfed_target.RULE,
)

MODEL_CHECKS: tuple[Callable[[Model], Iterable[Diagnostic]], ...] = (
    unknown_name.check,
    declared_twice.check,
    wrong_kind.check,
    unknown_attribute.check,
    what_it_is.check,
    wrong_type.check,
    out_of_range.check,
    two_writers.check,
    wrong_of.check,
    wrong_arrow.check,
    read_and_written.check,
    one_thing.check,
    empty.check,
    chain_place.check,
    unused_drive.check,
    own_output.check,
    unrecorded.check,
    picks_nothing.check,
    no_run.check,
    unfed_target.check,
)

GRAPH_CHECKS: tuple[Callable[[Graph], Iterable[Diagnostic]], ...] = (
    cycle.check,
    two_feeds.check,
    past_its_stage.check,
    wait_cycle.check,
    no_spool.check,
    reached_twice.check,
    unread_source.check,
    single_copy.check,
    copies_on_one_site.check,
    too_long.check,
    slow_mirror.check,
    starved_drive.check,
)

PROMISE_CHECKS: tuple[Callable[[Iterable[Verdict]], Iterable[Diagnostic]], ...] = (
    unmet_requirement.check,
    unknowable_requirement.check,
)

#: These ask for the layout only where the plan limits what depends on it.
LAYOUT_CHECKS: tuple[Callable[[Graph, Callable[[], Layout]], Iterable[Diagnostic]], ...] = (too_much_memory.check,)
