"""Both directions of docs/deadlock.md: a plan that passes never stands still, one that is refused does.

Three executions are compared with the compiler's verdict: every schedule of a model of rings, for every plan of two
sources and two drives; real rings under a scheduler that draws who moves next; the real engine with its threads. A
standstill is seen by its state (nobody can move), never by waiting.
"""

import dataclasses
import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tapechain.compiler.program import compile_program
from tapechain.compiler.world import MemoryWorld
from tapechain.runtime import engine, parts
from tapechain.runtime.control import Stop
from tapechain.runtime.events import NoObserver, Snapshot
from tapechain.runtime.faults import UsageFault
from tapechain.runtime.media.ids import new_id
from tapechain.runtime.model import LastFull, ObjectFacts, RunReport, Session
from tapechain.runtime.plan import CompiledPlan
from tapechain.runtime.preflight import refuse_unrunnable
from tapechain.runtime.ring import Doorbell, Ring, RingReader

DEPTH = 2
ITEM = ObjectFacts(new_id(), "any", "stream", Session(new_id(), 1, "p", "f", "2026-01-01T00:00:00.000Z"))
#: More records than a ring holds, so that no object hides in its buffer.
RECORDS = DEPTH + 2


@dataclass(frozen=True)
class Drawn:
    """Agents by stage (0: backup); each has its feeds, a source (int) or a buffer (agent, place), and its order."""

    sources: int
    stages: tuple[int, ...]
    feeds: tuple[tuple[int | tuple[int, int], ...], ...]
    by_object: tuple[bool, ...]

    def root(self, feed: int | tuple[int, int]) -> int:
        while isinstance(feed, tuple):
            feed = self.feeds[feed[0]][feed[1]]
        return feed

    @property
    def roots(self) -> tuple[tuple[int, ...], ...]:
        """For each agent the sources whose rings it reads, in the order of its buffers."""
        return tuple(tuple(self.root(feed) for feed in own) for own in self.feeds)

    def text(self, *, by_object: bool = True) -> str:
        lines = [f"plan p {{ record = 64KiB  depth = {DEPTH} }}"]
        lines += [f'source S{i} {{ stream = "data" }}' for i in range(self.sources)]
        lines += [f"drive R{a} {{ discard = true }}" for a in range(len(self.feeds))]
        for stage in sorted(set(self.stages)):
            lines.append("backup group g0 {" if stage == 0 else f"mirror group g{stage} of g{stage - 1} {{")
            for a, own in enumerate(self.feeds):
                if self.stages[a] != stage:
                    continue
                names = [f"S{feed}" if isinstance(feed, int) else f"A{feed[0]}.B{feed[1]}" for feed in own]
                order = 'order = "object" ' if by_object and self.by_object[a] else ""
                couplings = "  ".join(f"B{b} <- {name}" for b, name in enumerate(names))
                lines.append(f"  agent A{a} -> R{a} {{ {order}{couplings} }}")
            lines.append("}")
        return "\n".join(lines)


@st.composite
def plans(draw: st.DrawFn, most_sources: int = 4) -> Drawn:
    sources = draw(st.integers(1, most_sources))
    stages: list[int] = []
    feeds: list[tuple[int | tuple[int, int], ...]] = []
    drawn = Drawn(sources, (), (), ())
    for stage in range(draw(st.integers(1, 3))):
        before = [a for a, s in enumerate(stages) if s == stage - 1]
        for _ in range(draw(st.integers(1, 3))):
            choices: list[int | tuple[int, int]] = (
                [*range(sources)] if stage == 0 else [(a, b) for a in before for b in range(len(feeds[a]))]
            )
            taken: dict[int, int | tuple[int, int]] = {}  # one source reaches one drive once (TC313)
            for choice in draw(st.permutations(choices))[: draw(st.integers(1, 4))]:
                taken.setdefault(drawn.root(choice), choice)
            stages.append(stage)
            feeds.append(tuple(taken.values()))
            drawn = Drawn(sources, tuple(stages), tuple(feeds), ())
    by_object = draw(st.lists(st.sampled_from([True, True, False]), min_size=len(feeds), max_size=len(feeds)))
    return dataclasses.replace(drawn, by_object=tuple(by_object))


def refused(drawn: Drawn) -> bool:
    """The compiler's verdict; nothing but TC310 may be wrong with a drawn plan."""
    compilation = compile_program("p.tc", MemoryWorld(files={"p.tc": drawn.text()}))
    errors = {d.code for d in compilation.diagnostics if d.severity == "error"}
    assert errors <= {"TC310"}, compilation.diagnostics
    return bool(errors)


def compiled(drawn: Drawn) -> CompiledPlan:
    """The compiled plan whatever the verdict: compiled with every agent interleaving, the orders put in afterwards."""
    plan = compile_program("p.tc", MemoryWorld(files={"p.tc": drawn.text(by_object=False)})).plan
    assert plan is not None
    by_object = {f"A{a}" for a, whether in enumerate(drawn.by_object) if whether}
    agents = [dataclasses.replace(a, order="object") if a.name in by_object else a for a in plan.agents]
    return dataclasses.replace(plan, agents=tuple(agents))


# ---------------------------------------------------------------- every schedule of the model


State = tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]


def moves(drawn: Drawn, state: State) -> Iterator[State]:
    """Every state that one step leads to. Of a source: records published, RECORDS + 1 when it has ended. Of an agent,
    for each buffer: records taken, RECORDS + 1 when it has seen the end."""
    published, taken = state
    for source, count in enumerate(published):
        readers = [taken[a][b] for a, own in enumerate(drawn.roots) for b, root in enumerate(own) if root == source]
        if count <= RECORDS and readers and (count == RECORDS or count - min(readers) < DEPTH):
            yield (*published[:source], count + 1, *published[source + 1 :]), taken
    for a, own in enumerate(drawn.roots):
        for b, root in enumerate(own):
            if taken[a][b] > RECORDS:
                continue
            if taken[a][b] < published[root]:
                one = (*taken[a][:b], taken[a][b] + 1, *taken[a][b + 1 :])
                yield published, (*taken[:a], one, *taken[a + 1 :])
            if drawn.by_object[a]:
                break


def outcomes(drawn: Drawn) -> set[bool]:
    """Over all schedules: whether the states in which nobody can move are ends of the run."""
    read = {root for own in drawn.roots for root in own}
    start: State = ((0,) * drawn.sources, tuple((0,) * len(own) for own in drawn.roots))
    seen, stack, found = {start}, [start], set()
    while stack:
        state = stack.pop()
        following = list(moves(drawn, state))
        if not following:
            found.add(all(count > RECORDS for s, count in enumerate(state[0]) if s in read))
        for other in following:
            if other not in seen:
                seen.add(other)
                stack.append(other)
    return found


CHOICES = [(0,), (1,), (0, 1), (1, 0)]
TINY = [
    Drawn(2, (0, 0), (first, second), orders)
    for first, second in itertools.combinations_with_replacement(CHOICES, 2)
    for orders in itertools.product([True, False], repeat=2)
]


def test_every_schedule_of_every_tiny_plan_ends_as_the_compiler_says() -> None:
    verdicts = {refused(drawn) for drawn in TINY}
    assert verdicts == {True, False}
    for drawn in TINY:
        assert outcomes(drawn) == {not refused(drawn)}, drawn.text()


THREE = Drawn(3, (0, 0, 0), ((0, 1), (1, 2), (2, 0)), (True, True, True))


def test_three_agents_in_a_circle_stand_still_under_every_schedule_and_any_two_of_them_do_not() -> None:
    assert outcomes(THREE) == {False}
    assert refused(THREE)
    for one in range(3):
        freed = dataclasses.replace(THREE, by_object=tuple(a != one for a in range(3)))
        assert outcomes(freed) == {True}
        assert not refused(freed)


# ---------------------------------------------------------------- real rings, drawn schedules


def finishes(drawn: Drawn, turn: random.Random, depth: int) -> bool:
    """Drive real rings, one step at a time, *turn* drawing who moves; False when nobody can and not all has ended."""
    rings = {root: Ring(depth, 512) for own in drawn.roots for root in own}
    left = dict.fromkeys(rings, depth + 2)
    bell = Doorbell()
    agents: list[list[RingReader]] = [[rings[root].attach(bell) for root in own] for own in drawn.roots]

    def attended(a: int) -> list[RingReader]:
        open_feeds = [reader for reader in agents[a] if not reader.left]
        return open_feeds[:1] if drawn.by_object[a] else open_feeds

    try:
        while True:
            sources = [s for s, ring in rings.items() if not ring.ended and (not left[s] or ring.free > 0)]
            takers = [r for a in range(len(agents)) for r in attended(a) if r.available or r.over]
            if not sources and not takers:
                return all(ring.ended for ring in rings.values())
            mover = turn.choice([*sources, *takers])
            if isinstance(mover, RingReader):
                if mover.available:
                    mover.peek()[0].release()
                    mover.release()
                else:
                    mover.leave()
            elif left[mover]:
                assert rings[mover].claim() is not None
                rings[mover].publish(ITEM, 0, 512, 0)
                left[mover] -= 1
            else:
                rings[mover].end()
    finally:
        for ring in rings.values():
            ring.close()


@given(plans(), st.integers(0, 2**32), st.sampled_from([2, 3, 8]))
@settings(max_examples=150, deadline=None)
def test_real_rings_under_a_drawn_schedule_end_as_the_compiler_says(drawn: Drawn, seed: int, depth: int) -> None:
    verdict = refused(drawn)
    turn = random.Random(seed)
    for _ in range(3):
        assert finishes(drawn, turn, depth) == (not verdict), drawn.text()


@given(plans())
@settings(max_examples=150, deadline=None)
def test_compiler_and_engine_refuse_the_same_plans(drawn: Drawn) -> None:
    plan = compiled(drawn)
    if refused(drawn):
        with pytest.raises(UsageFault, match="wait for ever"):
            refuse_unrunnable(plan)
    else:
        refuse_unrunnable(plan)


# ---------------------------------------------------------------- the real engine


class Catalog:
    """A catalog that remembers nothing."""

    def begin_session(self, plan: str, fingerprint: str, started: str, at_least: int = 0) -> Session:
        return Session(new_id(), at_least + 1, plan, fingerprint, started)

    def record_volume(self, volume: object) -> None: ...

    def catch_up(self, drive: str, folder: Path, hang_seconds: float) -> tuple[str, ...]:
        return ()

    def last_fulls(self, plan: str, sources: object, *, but: str) -> dict[str, LastFull]:
        return {}

    def finish_session(self, report: RunReport, session: Session, kinds: object = None) -> None: ...


class Watch(NoObserver):
    """Looks at the rings of a run; ends the run when it stands still.

    ``agents`` has for each agent, by its doorbell, its readers in the order of its buffers; they attach agent by agent.
    """

    interval_seconds = 0.02

    def __init__(self, by_object: tuple[bool, ...]) -> None:
        self.rings: list[Ring] = []
        self.agents: dict[Doorbell, list[RingReader]] = {}
        self.by_object = by_object
        self.stop = Stop()
        self.stood_still = False

    def sample(self, snapshot: Snapshot) -> None:
        if not self.stood_still and self._stands_still():
            self.stood_still = True
            self.stop.request(15)

    def _counters(self) -> list[object]:
        readers = [[(r.taken, r.left) for r in own] for own in self.agents.values()]
        return [readers, *((r.published, r._claimed, r.ended, len(r.endings)) for r in self.rings)]

    def _stands_still(self) -> bool:
        """Every thread has said that it is about to sleep; while they were asked no counter moved; and by the counters
        none of them has anything to do. So whoever still looks for the last time finds nothing."""
        before = self._counters()
        live = [ring for ring in self.rings if not ring.ended]
        if not all(ring.space.armed and ring.free < ring.enough for ring in live):
            return False
        for (bell, own), by_object in zip(self.agents.items(), self.by_object, strict=True):
            attended = [reader for reader in own if not reader.left][: 1 if by_object else None]
            if any(reader.worth_waking(patient=False) for reader in attended):
                return False
            if attended and not bell.armed:
                return False
        return bool(live) and before == self._counters()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("standstill")
    (folder / "data").write_bytes(b"x" * (RECORDS * 64 * 1024))
    return folder


def watched(drawn: Drawn, folder: Path) -> tuple[Watch, RunReport]:
    """Run with real threads and rings, whatever the preflight says."""
    plan = compiled(drawn)
    watch = Watch(tuple(agent.order == "object" for agent in plan.agents))

    class Seen(Ring):
        def __init__(self, depth: int, record_bytes: int) -> None:
            super().__init__(depth, record_bytes)
            watch.rings.append(self)

        def attach(self, bell: Doorbell, *, essential: bool = True) -> RingReader:
            reader = super().attach(bell, essential=essential)
            watch.agents.setdefault(bell, []).append(reader)
            return reader

    with mock.patch.object(parts, "Ring", Seen), mock.patch.object(engine, "refuse_unrunnable"):
        report = engine.run(
            plan,
            base=folder,
            state=folder / "state",
            catalog=Catalog(),
            observer=watch,
            stop=watch.stop,
        )
    return watch, report


@pytest.mark.timeout(90)
@given(drawn=plans().filter(lambda drawn: not refused(drawn)))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
def test_the_engine_finishes_every_plan_that_passes(folder: Path, drawn: Drawn) -> None:
    watch, report = watched(drawn, folder)
    assert not watch.stood_still
    assert {entry.status for entry in report.objects} == {"whole"}
    assert {entry.records for entry in report.objects} == {RECORDS + 1}  # the labels take some room


@pytest.mark.timeout(90)
@given(drawn=plans().filter(refused))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
def test_the_engine_would_stand_still_on_every_plan_that_is_refused(folder: Path, drawn: Drawn) -> None:
    watch, report = watched(drawn, folder)
    assert watch.stood_still
    assert "cut-off" in {entry.status for entry in report.objects}
