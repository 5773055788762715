"""Resolve: statements to a :class:`~.model.Model`, in which every name is looked up and every attribute is read."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from ..dsl import ast
from ..dsl.diagnostics import Diagnostic
from ..dsl.spans import Span
from ..runtime import kinds
from ..runtime.kinds import GroupKind
from . import attributes
from .couple import Couplings, couple
from .expand import Expansion
from .load import Program
from .model import (
    Agent,
    Condition,
    Duplicate,
    Entity,
    EntityKind,
    Group,
    Model,
    Problem,
    Statement,
    StatementKind,
    Use,
)
from .names import as_written, with_article
from .uses import Names
from .world import World

#: A plan's name stands in record 0's label, as a source's does (docs/format.md, "A record").
PLAN_NAME_BYTES_MAX = kinds.SOURCE_NAME_BYTES_MAX

_LONGEST: Mapping[StatementKind, int] = {
    "plan": PLAN_NAME_BYTES_MAX,
    "source": kinds.SOURCE_NAME_BYTES_MAX,
    "drive": kinds.NAME_BYTES_MAX,
    "pool": kinds.NAME_BYTES_MAX,
    "agent": kinds.NAME_BYTES_MAX,
}


def resolve(program: Program, expansion: Expansion, world: World) -> Model:
    """Look up every name of the program and read every attribute. What is wrong is in the model, for the rules."""
    resolver = _Resolver(_Errors(program.diagnostics), expansion.lost, expansion.variables)
    for statement in expansion.statements:
        resolver.declare(statement)
    names = Names(resolver.declared)
    for entity in resolver.entities:
        resolver.places_of(entity.statement, names)
    for agent in resolver.all_agents:
        names.use(agent.drive_name, agent.drive_span, ("drive",))
    kinds_of = {group.name: group.kind for group in reversed(resolver.groups)}
    groups = tuple(_with_of(group, kinds_of, names) for group in resolver.groups)
    agents = [
        a if names.find(a.drive_name, ("drive",)) is not None else replace(a, drive=None) for a in resolver.all_agents
    ]
    couplings = couple(expansion.statements, agents, names)
    conditions = tuple(
        c for s in expansion.statements if isinstance(s, ast.Require) for c in _conditions(s, names, couplings)
    )
    lost = program.lost or expansion.lost
    return Model(
        plan_name=resolver.plan.name if resolver.plan is not None else _name_of_file(program.main),
        plan=resolver.plan,
        entities={name: found[0] for name, found in resolver.declared.items()},
        bearers=_bearers(resolver.entities),
        statements=(*resolver.statements, *couplings.statements),
        groups=groups,
        agents={agent.name: agent for agent in agents if not agent.again},
        all_agents=tuple(agents),
        buffers=couplings.buffers,
        couplings=couplings.couplings,
        star_cycles=couplings.star_cycles,
        conditions=conditions,
        uses=tuple(names.uses),
        broken_feeds=couplings.broken_feeds,
        chain_faults=couplings.chain_faults,
        duplicates=(*resolver.duplicates, *couplings.duplicates),
        folders=program.folders,
        world=world,
        main_folder="" if program.main == "<stdin>" else posixpath.dirname(program.main),
        main_file=program.main,
        lost=lost,
        lost_names=None if expansion.lost else program.lost_names,
        lost_kinds=program.lost_kinds,
    )


def _bearers(entities: Iterable[Entity]) -> dict[EntityKind, dict[str, Entity]]:
    """Each kind's names. Of two bearers of one name and kind the first counts."""
    found: dict[EntityKind, dict[str, Entity]] = {}
    for entity in entities:
        found.setdefault(entity.kind, {}).setdefault(entity.name, entity)
    return found


def _name_of_file(path: str) -> str:
    """The name that a program without ``plan`` bears: the file's, without ``.tc``."""
    if path == "<stdin>":
        return "stdin"
    name = posixpath.basename(path)
    return name.removesuffix(".tc") or name


class _Errors:
    """Where the parser found fault: what lies around such a place may not be whole."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self._places: dict[str, list[tuple[int, int]]] = {}
        for diagnostic in diagnostics:
            if diagnostic.code in {"TC101", "TC102"}:
                # The related place is a `{` that is not closed: its block may have been ended too early.
                for span in (diagnostic.span, *(related.span for related in diagnostic.related)):
                    self._places.setdefault(span.file, []).append((span.line, span.column))

    def lie_in(self, span: Span) -> bool:
        """Whether one of them is in *span*, or at its very end."""
        start, end = (span.line, span.column), (span.end_line, span.end_column)
        return any(start <= place <= end for place in self._places.get(span.file, ()))


@dataclass(slots=True)
class _Resolver:
    errors: _Errors
    loops_lost: bool
    #: all variables: `host = h` means a host, whatever variable bears the name
    variables: frozenset[str]
    declared: dict[str, list[Entity]] = field(default_factory=dict)
    entities: list[Entity] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)
    duplicates: list[Duplicate] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    all_agents: list[Agent] = field(default_factory=list)
    plan: Statement | None = None

    def declare(self, statement: ast.Plan | ast.Declaration | ast.Group | ast.Chain | ast.Require) -> None:
        if isinstance(statement, ast.Plan):
            self._plan(statement)
        elif isinstance(statement, ast.Declaration):
            read = self._read(statement.kind, statement.name, statement.attributes, statement.span)
            self._entity(statement.kind, statement.name, read)
        elif isinstance(statement, ast.Group):
            self._group(statement)

    def _plan(self, plan: ast.Plan) -> None:
        read = self._read("plan", plan.name, plan.attributes, plan.span)
        if self.plan is None:
            self.plan = read
        else:
            self.duplicates.append(
                Duplicate(
                    plan.name.span,
                    "a program has at most one plan statement",
                    self.plan.span,
                    "take one of them out; an included file needs none",
                )
            )

    def _group(self, group: ast.Group) -> None:
        read = self._read("group", group.name, (), group.span)
        self._entity("group", group.name, read)
        lost = read.lost or self.loops_lost
        members = []
        for agent in group.body:
            assert isinstance(agent, ast.AgentDeclaration)
            own = tuple(item for item in agent.body if isinstance(item, ast.Attribute))
            read = self._read("agent", agent.name, own, group.span)
            again = any(e.kind == "agent" for e in self.declared.get(agent.name.text, ()))
            self._entity("agent", agent.name, read)
            members.append(agent.name.text)
            self.all_agents.append(
                Agent(
                    name=agent.name.text,
                    span=agent.name.span,
                    group=group.name.text,
                    group_kind=group.kind,
                    of=group.of.text if group.of is not None else None,
                    arrow=agent.arrow,
                    arrow_span=agent.arrow_span,
                    drive=agent.drive.text,
                    drive_name=agent.drive.text,
                    drive_span=agent.drive.span,
                    statement=read,
                    again=again,
                )
            )
        of, of_span = (group.of.text, group.of.span) if group.of is not None else (None, None)
        name = group.name
        self.groups.append(
            Group(name.text, name.span, group.kind, group.kind_span, of, of_span, None, tuple(members), lost)
        )

    def _entity(self, kind: EntityKind, name: ast.Name, statement: Statement) -> None:
        entity = Entity(kind, name.text, name.span, statement)
        bearers = self.declared.setdefault(name.text, [])
        if bearers:
            first = bearers[0]
            what = f"the {kind}" if first.kind == kind else f"the {first.kind}"
            message = (
                f"{what} {as_written(name.text)} is declared twice"
                if first.kind == kind
                else f"{as_written(name.text)} is {with_article(kind)} here, "
                f"and already the name of {with_article(first.kind)}"
            )
            self.duplicates.append(Duplicate(name.span, message, first.span))
        bearers.append(entity)
        self.entities.append(entity)

    def _read(self, kind: StatementKind, name: ast.Name, written: tuple[ast.Attribute, ...], whole: Span) -> Statement:
        settings, problems = attributes.read(kind, written)
        problems = (*problems, *_name_problems(kind, name))
        statement = Statement(kind, name.text, name.span, written, settings, problems, self.errors.lie_in(whole))
        self.statements.append(statement)
        self.duplicates += attributes.repeated(written)
        return statement

    def places_of(self, statement: Statement, names: Names) -> None:
        """Look up the host and pool that a statement names."""
        for kind in ("host", "pool"):
            setting = statement.settings.get(kind)
            if setting is not None and isinstance(setting.value, str):
                use = names.use(setting.value, setting.span, (kind,))
                if use.found is None and setting.value in self.variables:
                    names.uses[-1] = use._replace(variable=True)


def _name_problems(kind: StatementKind, name: ast.Name) -> list[Problem]:
    if len(name.text) <= kinds.NAME_BYTES_MAX // 4 and name.text.isascii() and name.text.isidentifier():
        return []
    if not name.text.strip():
        return [Problem("TC207", name.span, f"the name of a {kind} must not be empty")]
    most = _LONGEST.get(kind)
    if most is None:
        return []
    length = len(kinds.encode_name(name.text))
    if length <= most:
        return []
    return [
        Problem(
            "TC207",
            name.span,
            f"the name of this {kind} has {length} bytes as volumes hold it; there is room for {most}",
            "take a shorter name; every character outside A-Z a-z 0-9 _ . - takes three bytes or more",
        )
    ]


def _with_of(group: Group, kinds_of: Mapping[str, GroupKind], names: Names) -> Group:
    if group.of is None or group.of_span is None or not names.use(group.of, group.of_span, ("group",)).fits:
        return group
    return replace(group, of_kind=kinds_of[group.of])


def _conditions(require: ast.Require, names: Names, couplings: Couplings) -> Iterable[Condition]:
    of = []
    broken = False
    for name in require.of:
        if name.text in couplings.recorded and names.find(name.text, ("source",)) is None:
            of.append((name.text, name.span))
            continue
        known = (*names.of_kinds(("source",)), *sorted(couplings.recorded))
        use: Use = names.use(name.text, name.span, ("source",), candidates=known)
        broken = broken or not use.fits
        of.append((name.text, name.span))
    for condition in require.conditions:
        yield Condition(
            condition.metric.text, condition.metric.span, condition.operator, condition.value, tuple(of), broken
        )
