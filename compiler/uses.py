"""Looking up names, and remembering every place where one was used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..dsl.spans import Span
from .model import Entity, Use
from .names import as_written, near, nearest

#: So many unknown names get a suggestion; looking for more would make a hopeless program slow.
_SUGGESTIONS_MAX = 200


@dataclass(slots=True)
class Names:
    """The program's namespace: for each name what bears it, in the order of declaration."""

    declared: Mapping[str, Sequence[Entity]]
    uses: list[Use] = field(default_factory=list)
    suggested: int = 0

    def find(self, name: str, wanted: Sequence[str]) -> Entity | None:
        """What bears *name* and is of a *wanted* kind, or None."""
        return next((e for e in self.declared.get(name, ()) if e.kind in wanted), None)

    def fits(self, name: str, wanted: str) -> bool:
        """Whether one of *wanted* bears *name*: then there is nothing to remember."""
        for entity in self.declared.get(name, ()):  # noqa: SIM110 - written out: it is asked for every feed
            if entity.kind == wanted:
                return True
        return False

    def of_kinds(self, wanted: Sequence[str]) -> list[str]:
        """All names of the *wanted* kinds."""
        return [name for name, bearers in self.declared.items() if any(e.kind in wanted for e in bearers)]

    def use(
        self,
        name: str,
        span: Span,
        wanted: tuple[str, ...],
        *,
        help: str = "",
        in_chain: bool = False,
        candidates: tuple[str, ...] | None = None,
    ) -> Use:
        """Look *name* up where one of the *wanted* kinds belongs, and remember the place."""
        entity = self.find(name, wanted) or next(iter(self.declared.get(name, ())), None)
        if entity is not None:
            use = Use(name, span, wanted, as_written(name), entity.kind, entity.span, help, in_chain=in_chain)
        else:
            right = tuple(self.of_kinds(wanted)) if candidates is None else candidates
            use = Use(
                name,
                span,
                wanted,
                as_written(name),
                None,
                help=help,
                suggestion=self.suggestion(name, right),
                declared=right,
                in_chain=in_chain,
            )
        self.uses.append(use)
        return use

    def misuse(self, what: str, kind: str, span: Span, wanted: tuple[str, ...], help: str = "") -> None:
        """Remember something of the wrong *kind* that needs no looking up: a selector, a buffer."""
        self.uses.append(Use(what, span, wanted, what, kind, help=help))

    def unknown_buffer(self, agent: str, buffer: str, span: Span, buffers: tuple[str, ...]) -> None:
        """Remember a buffer that its agent, whose *buffers* are given, does not have."""
        prefix = f"{as_written(agent)}."
        what = prefix + as_written(buffer)
        suggestion = self.suggestion(buffer, buffers)
        use = Use(buffer, span, ("buffer",), what, None, suggestion=suggestion, declared=buffers, prefix=prefix)
        self.uses.append(use)

    def near(self, use: Use) -> list[str]:
        """The names that an unknown one may have been meant to be; none where *use* found something of another kind."""
        if use.found is not None or self.suggested > _SUGGESTIONS_MAX:
            return []
        return near(use.name, use.declared)

    def suggestion(self, name: str, right: Sequence[str]) -> str | None:
        """The nearest of the names of the *right* kind; None also after many suggestions."""
        self.suggested += 1
        return nearest(name, right) if self.suggested <= _SUGGESTIONS_MAX else None
