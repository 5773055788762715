"""Retention of chains of which fulls were merged: what may go then, and what must come back whatever goes."""

import random
from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st
from tapechain.runtime.catalog.expiry import Expiry, KnownObject, KnownSession, KnownVolume, expiry
from tapechain.runtime.plan import Pool

DAY = 86_400.0
BEGIN = 1_700_000_000.0


@dataclass
class Chains:
    """Objects of one source, one a session, and where each lies: (drive, volume). A drive has one pool."""

    pool_of: dict[str, str]
    objects: dict[str, KnownObject] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    on: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    #: fulls whose source had files that could not be read
    lacking: set[str] = field(default_factory=set)

    def backup(self, number: int, parent: str | None, *places: tuple[str, str]) -> str:
        name = f"o{number}"
        self.objects[name] = KnownObject(name, "night", "home", f"s{number}", True, parent)
        self.numbers[name] = number
        self.on[name] = set(places)
        return name

    def merge(self, of: str, *places: tuple[str, str], lacking: bool = False) -> str:
        name = f"m-{of}-{len(self.objects)}"
        self.objects[name] = replace(self.objects[of], id=name, parent=None, stands_for=of)
        self.numbers[name] = self.numbers[of]
        self.on[name] = set(places)
        if lacking:
            self.lacking.add(name)
        return name

    def drives(self, name: str) -> set[str]:
        return {drive for drive, _ in self.on.get(name, ())}

    def judge(self, day: float, **pools: Pool) -> Expiry:
        volumes: dict[tuple[str, str], list[str]] = {}
        for name, places in self.on.items():
            for place in places:
                volumes.setdefault(place, []).append(name)
        known = [
            replace(
                item,
                stored=frozenset((d, self.pool_of[d]) for d in self.drives(item.id))
                if item.stands_for and item.id not in self.lacking
                else frozenset(),
            )
            for item in self.objects.values()
        ]
        return expiry(
            sessions=[KnownSession(f"s{n}", n, BEGIN + n * DAY) for n in sorted(set(self.numbers.values()))],
            objects=known,
            volumes=[
                KnownVolume(volume, self.pool_of[drive], ("night",), tuple(held), drive)
                for (drive, volume), held in sorted(volumes.items())
            ],
            pools={("night", name): pool for name, pool in pools.items()},
            now=BEGIN + day * DAY,
        )

    def remove(self, volume: str) -> None:
        for name, places in list(self.on.items()):
            places -= {place for place in places if place[1] == volume}
            if not places:
                del self.on[name], self.objects[name], self.numbers[name]

    def comes_back(self, name: str, drives: set[str]) -> bool:
        """Whether these drives together bring the object back, by parents or by fulls that stand for them."""
        while True:
            if not self.drives(name) & drives:
                return False
            parent = self.objects[name].parent
            if parent is None:
                return True
            if any(o.stands_for == parent and self.drives(o.id) & drives for o in self.objects.values()):
                return True
            if parent not in self.objects:
                return False
            name = parent


def chain(length: int, *drives: str, pools: dict[str, str] | None = None) -> Chains:
    """One full and incrementals behind it, a volume each on each drive."""
    story = Chains(pools or dict.fromkeys(drives, "p"))
    parent = None
    for number in range(1, length + 1):
        parent = story.backup(number, parent, *((d, f"{d}-{number}") for d in drives))
    return story


KEEP3 = Pool("p", sessions=3)


def expired(story: Chains, day: float = 20, **pools: Pool) -> set[str]:
    return {v for v, verdict in story.judge(day, **(pools or {"p": KEEP3})).volumes.items() if verdict.expired}


def test_a_merged_full_lets_go_what_it_was_merged_from() -> None:
    story = chain(10, "A")
    assert expired(story) == set(), "the newest three need all that lies below"
    full = story.merge("o6", ("A", "A-m"))
    assert expired(story) == {f"A-{n}" for n in range(1, 7)}, "7 to 10 are the chain on top of it"
    verdict = story.judge(20, p=KEEP3)
    assert not verdict.volumes["A-m"].expired and "needed by the incremental o7" in verdict.volumes["A-m"].reasons[0]
    assert verdict.instead == {full}
    for volume in sorted(expired(story)):
        story.remove(volume)
    assert expired(story) == set() and all(story.comes_back(f"o{n}", {"A"}) for n in range(7, 11))


def test_each_drive_that_holds_the_parent_must_hold_the_full() -> None:
    story = chain(6, "A", "B")
    story.merge("o3", ("A", "A-m"))
    assert expired(story) == set(), "without its parents B alone would bring nothing back"
    story.merge("o3", ("A", "A-n"), ("B", "B-n"))
    assert expired(story) == {f"{d}-{n}" for d in "AB" for n in (1, 2, 3)}


def test_each_pool_is_judged_by_itself() -> None:
    story = chain(6, "A", "B", pools={"A": "p", "B": "q"})
    story.merge("o3", ("A", "A-m"))
    assert expired(story, p=KEEP3, q=KEEP3) == {"A-1", "A-2", "A-3"}
    elsewhere = chain(6, "A", pools={"A": "p", "full": "long"})
    elsewhere.merge("o3", ("full", "full-1"))
    assert expired(elsewhere, p=KEEP3, long=KEEP3) == set(), "the drive would lack the beginning of its chain"


def test_a_full_that_lacks_files_replaces_nothing() -> None:
    story = chain(6, "A")
    story.merge("o3", ("A", "A-m"), lacking=True)
    assert expired(story) == set()
    assert story.judge(20, p=KEEP3).instead == frozenset()


def test_a_full_of_another_source_replaces_nothing() -> None:
    story = chain(6, "A")
    full = story.merge("o3", ("A", "A-m"))
    story.objects[full] = replace(story.objects[full], source="other")
    assert expired(story) == set()


def test_a_full_is_kept_when_what_it_was_merged_from_is_gone_and_more_copies_come() -> None:
    """Part of the chain went because of the full; then a copy of what it stands for is made where it is not."""
    story = chain(6, "A", pools={"A": "p", "B": "p"})
    story.merge("o3", ("A", "A-m"))
    story.remove("A-1")
    story.remove("A-2")
    story.on["o3"].add(("B", "B-3"))
    assert expired(story) == set()
    assert all(story.comes_back(f"o{n}", {"A"}) for n in range(4, 7))


def test_what_is_kept_itself_below_the_full_is_kept_with_its_parents() -> None:
    story = chain(6, "A")
    story.merge("o5", ("A", "A-m"))
    assert expired(story) == set(), "o4 is of the newest three, and needs o1 to o3"
    assert expired(story, p=Pool("p", sessions=1)) == {f"A-{n}" for n in range(1, 6)}


@st.composite
def stories(draw: st.DrawFn) -> tuple[Chains, dict[str, Pool]]:
    drives = ["A", "B", "C"][: draw(st.integers(1, 3))]
    story = Chains({d: draw(st.sampled_from(["p", "q"])) for d in drives})
    names: list[str] = []
    per_volume = draw(st.integers(1, 3))
    some = st.lists(st.sampled_from(drives), min_size=1, unique=True)

    def places(number: int, its: list[str], kind: str = "") -> list[tuple[str, str]]:
        return [(d, f"{d}-{kind}{number // per_volume}") for d in its]

    for number in range(1, draw(st.integers(2, 9)) + 1):
        parent = draw(st.sampled_from([None, *names[-1:] * 4, *names]))
        names.append(story.backup(number, parent, *places(number, draw(some))))
    for of in draw(st.lists(st.sampled_from(names), max_size=4)):
        if story.objects[of].parent is not None:
            kind = draw(st.sampled_from(["", "m"]))
            story.merge(of, *places(story.numbers[of], draw(some), kind), lacking=draw(st.booleans()))
    pools = {p: Pool(p, sessions=draw(st.integers(0, 3))) for p in ("p", "q")}
    return story, pools


def newest(story: Chains, pool: str, count: int) -> set[str]:
    """The objects of the newest *count* sessions in the pool: kept by their own right."""
    there = {n: story.numbers[n] for n in story.objects if any(story.pool_of[d] == pool for d in story.drives(n))}
    numbers = sorted(set(there.values()))[len(set(there.values())) - count if count else len(there) :]
    return {name for name, number in there.items() if number in numbers}


@settings(max_examples=100, deadline=None)
@given(stories(), st.randoms(use_true_random=False))
def test_whatever_goes_in_whatever_order_all_that_is_kept_comes_back_from_each_drive(
    told: tuple[Chains, dict[str, Pool]], choice: random.Random
) -> None:
    story, pools = told
    everywhere = set(story.pool_of)

    def own() -> dict[str, set[str]]:
        return {pool: newest(story, pool, pools[pool].sessions or 0) for pool in pools}

    def alone() -> set[tuple[str, str]]:
        """Objects that are kept by their own right, with the drives that bring each back by themselves."""
        return {
            (name, drive)
            for pool, names in own().items()
            for name in names
            for drive in story.drives(name)
            if story.pool_of[drive] == pool and story.comes_back(name, {drive})
        }

    def together() -> set[str]:
        return {name for names in own().values() for name in names if story.comes_back(name, everywhere)}

    for step in range(200):
        by_drive, by_all, mine = alone(), together(), own()
        gone = sorted(expired(story, 100, **pools))
        if not gone:
            return
        if step < 6 and choice.random() < 0.3:  # meanwhile somebody copies an object
            name, drive = choice.choice(sorted(story.objects)), choice.choice(sorted(everywhere))
            story.on[name].add((drive, f"{drive}-more{step}"))
            continue
        story.remove(choice.choice(gone))
        assert own() == mine, "what is kept itself does not go"
        assert by_drive <= alone(), "from each drive that brought it back by itself"
        assert by_all <= together()
    raise AssertionError("it never ends")
