"""When what lies on volumes may go: the rules of docs/volumes.md, one by one, and what must hold whatever is given."""

import math
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from tapechain.runtime.catalog.expiry import (
    GRACE_SECONDS,
    Expiry,
    KnownObject,
    KnownSession,
    KnownVolume,
    believed_times,
    expiry,
)
from tapechain.runtime.plan import Pool

DAY = 86_400.0
#: The first session's end.
BEGIN = 1_700_000_000.0


class Story:
    """One plan's sessions of one source and more, each object on a volume of its own unless it says otherwise."""

    def __init__(self) -> None:
        self.sessions: list[KnownSession] = []
        self.objects: list[KnownObject] = []
        self.on: dict[tuple[str, str | None, tuple[str, ...]], list[str]] = {}

    def backup(
        self,
        day: float,
        *sources: str,
        pool: str | None = "p",
        volume: str | None = None,
        whole: bool = True,
        parent: str | None = None,
        number: int | None = None,
        writers: tuple[str, ...] = ("night",),
        also: Sequence[str | None] = (),
    ) -> str:
        session = f"s{len(self.sessions) + 1}"
        self.sessions.append(KnownSession(session, number or len(self.sessions) + 1, BEGIN + day * DAY))
        name = ""
        for source in sources or ("home",):
            name = f"{source}-{session}"
            self.objects.append(KnownObject(name, "night", source, session, whole, parent))
            for its in (pool, *also):
                key = (volume or f"v-{session}-{its}", its, writers)
                self.on.setdefault(key, []).append(name)
        return name

    def judge(self, day: float, *, given_up: bool = False, **pools: Pool) -> Expiry:
        return expiry(
            sessions=self.sessions,
            objects=self.objects,
            volumes=[KnownVolume(v, pool, plans, tuple(held)) for (v, pool, plans), held in self.on.items()],
            pools={("night", name): pool for name, pool in pools.items()},
            now=BEGIN + day * DAY,
            given_up=[("night", "home")] if given_up else [],
        )

    def expired(self, day: float, **pools: Pool) -> list[str]:
        return [volume for volume, verdict in self.judge(day, **pools).volumes.items() if verdict.expired]


MONTH = Pool("p", retention=30 * DAY)


def nightly(days: int, story: Story | None = None) -> Story:
    story = story or Story()
    for day in range(days):
        story.backup(day)
    return story


# ---------------------------------------------------------------- each rule


def test_what_no_pool_or_no_known_pool_holds_is_kept_for_ever() -> None:
    story = Story()
    story.backup(0, pool=None)
    story.backup(1, pool="elsewhere")
    story.backup(2, pool="forever")
    story.backup(3, writers=("night", "other"))
    verdicts = story.judge(10_000, p=MONTH, forever=Pool("forever", capacity=1)).volumes
    assert [v.expired for v in verdicts.values()] == [False] * 4
    assert [v.expires for v in verdicts.values()] == [None] * 4
    assert "no pool" in verdicts["v-s1-None"].reasons[0]
    assert '"elsewhere" of plan night is not known' in verdicts["v-s2-elsewhere"].reasons[0]
    assert "for ever" in verdicts["v-s3-forever"].reasons[0]
    assert "of plan other is not known" in verdicts["v-s4-p"].reasons[0]


def test_retention_counts_from_the_end_of_the_session() -> None:
    story = nightly(100)
    verdicts = story.judge(99.5, p=MONTH).volumes
    assert verdicts["v-s1-p"].expires == BEGIN + 30 * DAY
    assert [v for v in verdicts if verdicts[v].expired] == [f"v-s{n}-p" for n in range(1, 71)]
    assert "is kept until 2024-02-22" in verdicts["v-s71-p"].reasons[0]


def test_a_volume_expires_with_the_last_object_on_it() -> None:
    story = Story()
    for day in range(60):
        story.backup(day, volume=f"v{day // 20}")
    # v1 holds days 20 to 39.
    assert story.expired(59, p=MONTH) == ["v0"]
    story.backup(69)
    assert story.expired(69, p=MONTH) == ["v0", "v1"]
    assert story.judge(69, p=MONTH).volumes["v1"].expires == BEGIN + 69 * DAY


def test_the_newest_sessions_are_kept_whatever_their_age() -> None:
    story = Story()
    for day in (0, 100, 200, 300, 307):
        story.backup(day)
    pool = Pool("p", retention=30 * DAY, sessions=3)
    assert story.expired(400, p=pool) == ["v-s1-p", "v-s2-p"]
    assert "of the newest 3 session(s)" in story.judge(400, p=pool).volumes["v-s3-p"].reasons[0]


def test_sessions_alone_keep_the_newest_and_let_the_others_go() -> None:
    story = nightly(5)
    verdicts = story.judge(4, p=Pool("p", sessions=2)).volumes
    assert [v for v in verdicts if verdicts[v].expired] == ["v-s1-p", "v-s2-p", "v-s3-p"]
    # The second newer session let it go.
    assert verdicts["v-s1-p"].expires == BEGIN + 2 * DAY
    assert verdicts["v-s4-p"].expires is None


def test_sessions_are_counted_for_each_source_by_whole_objects() -> None:
    story = Story()
    story.backup(0, "home", "shop")
    for day in range(1, 6):
        story.backup(day, "home")
        story.backup(day + 0.5, "shop", whole=False)
    pool = Pool("p", sessions=2)
    assert "v-s1-p" not in story.expired(6, p=pool)
    assert "shop" in story.judge(6, p=pool).volumes["v-s1-p"].reasons[0]


def test_time_stands_still_for_a_source_that_is_not_backed_up() -> None:
    story = nightly(10)
    # Nothing ran for a year: what was young enough when it ended is kept, and the newest above all.
    assert story.expired(400, p=Pool("p", retention=10 * DAY)) == [f"v-s{n}-p" for n in range(1, 9)]
    reasons = story.judge(400, p=Pool("p", retention=10 * DAY)).volumes["v-s10-p"].reasons
    assert "time stands still" in reasons[0]
    # The other source's backups change nothing.
    for day in range(10, 400):
        story.backup(day, "other")
    assert {"v-s9-p", "v-s10-p"}.isdisjoint(story.expired(400, p=Pool("p", retention=10 * DAY)))
    # Backed up again, and once more: the leap is believed.
    story.backup(400)
    story.backup(401)
    assert {"v-s9-p", "v-s10-p"} <= set(story.expired(401, p=Pool("p", retention=10 * DAY)))


def test_the_newest_object_of_a_source_that_fails_is_kept_while_others_go_on() -> None:
    story = Story()
    story.backup(0, "home", "shop")
    for day in range(1, 100):
        story.backup(day, "shop")
        story.backup(day + 0.1, "home", whole=False)
    assert "v-s1-p" not in story.expired(99, p=MONTH)


def test_a_source_that_is_given_up_ages_by_the_clock_alone() -> None:
    story = nightly(3)
    pool = Pool("p", retention=30 * DAY, sessions=2)
    assert story.expired(20, p=pool) == []
    assert not any(v.expired for v in story.judge(32.5, given_up=True, p=pool).volumes.values() if v.expires is None)
    verdicts = story.judge(31.5, given_up=True, p=pool).volumes
    assert [v.expired for v in verdicts.values()] == [True, True, False]


def test_a_retention_shorter_than_the_grace_is_taken_at_its_word() -> None:
    story = Story()
    story.backup(0)
    assert story.expired(2, p=Pool("p", retention=DAY)) == ["v-s1-p"]


# ---------------------------------------------------------------- the clock


def test_a_clock_far_ahead_makes_nothing_expire_that_time_had_not() -> None:
    story = nightly(40)
    before = story.expired(39, p=MONTH)
    assert set(story.expired(20_000, p=MONTH)) - set(before) <= {f"v-s{n}-p" for n in range(10, 19)}
    # A run under that clock adds its own time, believed as far as the grace goes.
    story.backup(20_000)
    assert "v-s40-p" not in story.expired(20_001, p=MONTH)
    assert set(story.expired(20_001, p=MONTH)) <= {f"v-s{n}-p" for n in range(1, 27)}


def test_after_the_clock_is_right_again_all_is_as_before() -> None:
    story = nightly(40)
    story.backup(20_000)
    for day in range(40, 80):
        story.backup(day)
    # Session 41 keeps to its own word; all others are as if it had not been.
    expired = [f"v-s{n}-p" for n in range(1, 52) if n != 41]
    assert story.expired(79, p=MONTH) == expired
    # (The nights of days 0 to 39, the one of the wrong clock, and those of days 40 to 49.)
    given_up = story.judge(79, given_up=True, p=MONTH).volumes
    assert given_up["v-s41-p"].expired


def test_a_wrong_time_that_comes_again_is_confirmed_by_nobody() -> None:
    """A clock that stands at the same wrong time after each boot: when a session ran, and when somebody asks."""
    story = nightly(40)
    before = story.expired(39, p=MONTH)
    story.backup(20_000)
    for day in range(40, 43):
        story.backup(day)
    assert set(story.expired(20_001, p=MONTH)) - set(before) <= {f"v-s{n}-p" for n in range(10, 23)}


def test_a_clock_set_back_makes_nothing_expire() -> None:
    story = nightly(40)
    assert story.expired(-10_000, p=MONTH) == []
    story.backup(-10_000)
    story.backup(40)
    # The session of 27 years before is no older than the one before it.
    verdicts = story.judge(40, p=MONTH).volumes
    assert verdicts["v-s41-p"].expires == BEGIN + 69 * DAY
    assert not verdicts["v-s41-p"].expired


def test_times_that_cannot_be_read_are_kept() -> None:
    story = nightly(40)
    story.sessions[0] = KnownSession("s1", 1, None)
    story.sessions[39] = KnownSession("s40", 40, None)
    expired = story.expired(300, p=MONTH)
    assert "v-s1-p" not in expired
    assert "v-s40-p" not in expired
    assert "v-s2-p" in expired


def test_believed_times_never_fall_and_never_lie_ahead() -> None:
    sessions = [KnownSession(str(n), n, t) for n, t in enumerate([5.0, 3.0, 900.0, 7.0, None, 6.0])]
    assert believed_times(sessions, 100.0) == {"0": 5.0, "1": 5.0, "2": 7.0, "3": 7.0, "4": math.inf, "5": 7.0}


# ---------------------------------------------------------------- incrementals


def test_a_parent_is_kept_as_long_as_any_child_needs_it() -> None:
    story = Story()
    full = story.backup(0)
    first = story.backup(25, parent=full)
    story.backup(50, parent=first)
    for day in (55, 60, 65, 70):
        story.backup(day)
    # The youngest incremental is of day 50: until day 80 its whole chain stays.
    verdicts = story.judge(70, p=MONTH).volumes
    assert not any(v.expired for v in verdicts.values())
    assert verdicts["v-s1-p"].expires == BEGIN + 80 * DAY
    assert "needed by the incremental" in verdicts["v-s1-p"].reasons[0]
    story.backup(81)
    assert story.expired(81, p=MONTH) == ["v-s1-p", "v-s2-p", "v-s3-p"]


def test_a_full_is_kept_where_it_stands_for_a_parent_that_is_gone() -> None:
    """A full that was merged needs none of its parts; where one of them is nowhere, the full is needed in its place."""
    story = Story()
    full = story.backup(0)
    first = story.backup(1, parent=full)
    merged = KnownObject("merged", "night", "home", "s2", True, None, stands_for=first)
    story.objects.append(merged)
    story.on["v-merged", "p", ("night",)] = [merged.id]
    for day in range(12, 41, 4):
        story.backup(day)
    assert story.expired(40, p=MONTH) == ["v-s1-p", "v-s2-p", "v-merged"], "nothing needs any of them"
    story.backup(40, parent=first)
    assert story.expired(40, p=MONTH) == [], "nobody says that it lies whole where they do: all are kept"
    del story.on["v-s2-p", "p", ("night",)]
    verdicts = story.judge(40, p=MONTH).volumes
    assert not verdicts["v-merged"].expired and "needed by the incremental" in verdicts["v-merged"].reasons[0]
    assert verdicts["v-merged"].expires == BEGIN + 70 * DAY


def test_an_incremental_that_is_not_whole_needs_nothing() -> None:
    story = Story()
    full = story.backup(0)
    story.backup(30, parent=full, whole=False)
    for day in (20, 25, 30, 31):
        story.backup(day)
    assert "v-s1-p" in story.expired(31, p=MONTH)


def test_each_pool_keeps_its_own_chain_and_one_of_them_at_least() -> None:
    story = Story()
    full = story.backup(0, also=["year"])
    story.backup(5, parent=full, also=["year"])
    for day in range(10, 60, 5):
        story.backup(day, also=["year"])
    year = Pool("year", retention=365 * DAY)
    assert {"v-s1-p", "v-s2-p"} <= set(story.expired(59, p=MONTH, year=year))

    alone = Story()
    full = alone.backup(0)
    alone.backup(5, parent=full, pool="year")
    for day in range(10, 60, 5):
        alone.backup(day)
    # The full object is in no other pool, and the incremental of the pool that keeps a year needs it.
    assert "v-s1-p" not in alone.expired(59, p=MONTH, year=year)


def test_parents_in_a_circle_come_to_an_end() -> None:
    story = Story()
    story.backup(0, parent="home-s3")
    story.backup(1, parent="home-s1")
    story.backup(2, parent="home-s2")
    story.backup(40, parent="home-s4")
    story.judge(40, p=MONTH)


# ---------------------------------------------------------------- whatever is given

backups = st.lists(
    st.tuples(
        st.integers(-50, 400),
        st.sampled_from(["home", "shop"]),
        st.booleans(),
        st.sampled_from(["p", "year", None]),
        st.integers(0, 6),
    ),
    max_size=25,
)


@settings(max_examples=200, deadline=None)
@given(
    given=backups,
    retention=st.one_of(st.none(), st.integers(1, 60)),
    sessions=st.one_of(st.none(), st.integers(0, 4)),
    days=st.tuples(st.integers(-100, 500), st.integers(0, 20_000)),
    parents=st.lists(st.integers(0, 30), min_size=25, max_size=25),
)
def test_what_must_hold_whatever_is_given(
    given: list[tuple[int, str, bool, str | None, int]],
    retention: int | None,
    sessions: int | None,
    days: tuple[int, int],
    parents: list[int],
) -> None:
    story = Story()
    names: list[str] = []
    for n, (day, source, whole, pool, volume) in enumerate(given):
        above = names[parents[n]] if parents[n] < len(names) else None
        names.append(story.backup(day, source, whole=whole, pool=pool, volume=f"v{volume}-{pool}", parent=above))
    pools = {
        "p": Pool("p", retention=None if retention is None else retention * DAY, sessions=sessions),
        "year": Pool("year", retention=365 * DAY, sessions=1),
    }
    now, later = days[0], days[0] + days[1]
    first, second = story.judge(now, **pools), story.judge(later, **pools)
    whole = {o.id: o for o in story.objects if o.whole}
    on = {v: (pool, held) for (v, pool, _), held in story.on.items()}
    for volume, verdict in second.volumes.items():
        pool, held = on[volume]
        assert verdict.expired == (not verdict.reasons)
        # Nothing outside a pool with a rule ever goes.
        if pool is None or (pool == "p" and retention is None and sessions is None):
            assert not verdict.expired
        if not verdict.expired:
            continue
        # Nothing goes before its retention, as the plain calendar has it.
        if pool == "p" and retention is not None:
            ended = {s.id: s.ended for s in story.sessions}
            assert all(
                ended[o.session_id] + retention * DAY <= BEGIN + later * DAY for o in story.objects if o.id in held
            )
        # The newest whole object of a source stays where at least the grace is kept.
        if pool == "year":
            for source in ("home", "shop"):
                its = [
                    o
                    for o in whole.values()
                    if o.source == source and any(p == "year" and o.id in h for p, h in on.values())
                ]
                if its:
                    newest = max(its, key=lambda o: int(o.session_id[1:]))
                    assert newest.id not in held
    # No incremental that is kept loses its parent.
    for child in whole.values():
        verdict = second.objects[child.id]
        if not verdict.expired and child.parent in second.objects:
            assert not second.objects[child.parent].expired
    # Time alone takes nothing back: what has expired stays so.
    if all(s.ended is not None and s.ended <= BEGIN + now * DAY for s in story.sessions):
        assert {v for v, d in first.volumes.items() if d.expired} <= {v for v, d in second.volumes.items() if d.expired}


def test_the_grace_is_a_weekly_backup_and_a_day() -> None:
    story = Story()
    for week in range(20):
        story.backup(7 * week)
    assert GRACE_SECONDS == 8 * DAY
    # A weekly rhythm expires by the plain calendar.
    assert story.expired(133, p=MONTH) == [f"v-s{n}-p" for n in range(1, 16)]
