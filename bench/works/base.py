"""A work: contenders that do the same, or figures of our own, and the goals that issues 4 and 5 set for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from measure import Contender, alternate
from place import Place, Scale
from result import Goal, Result, figures_of

#: Measures one work in its place: how much, how many rounds.
Measured = Callable[[Place, Scale, int], Result]


@dataclass(frozen=True, slots=True)
class Work:
    """*rounds*: at most so many, where one is dear."""

    name: str
    title: str
    measure: Measured
    goals: Sequence[Goal] = ()
    rounds: int = 1000


def beside(contenders: Callable[[Place, Scale], Iterable[Contender]]) -> Measured:
    """The contenders in turn; ours, called ``tcc``, beside each other one."""

    def measured(place: Place, scale: Scale, rounds: int) -> Result:
        samples = alternate(list(contenders(place, scale)), rounds, warm=scale.warm)
        return Result(samples, figures_of(samples, rounds))

    return measured
