"""Courier, journal, photos, retention and registry together, under whatever a line and a machine may do.

One node, two registries, all of it real and on files. Between any two steps requests and answers may be lost,
late, doubled, torn or false, node and registries may die, registries may come back from an older copy. After
every step what a registry holds is a prefix of the journal, and nothing is settled that is not held; at the
end, without faults, everything is held everywhere.

More of it: ``python -m pytest tests/test_courier_machine.py --hypothesis-profile long --timeout 0``.
"""

import contextlib
import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from central_sync.journal import RetiredError
from lanes import record as r
from tests.central_parts import digest, photo
from tests.machine_line import FATES
from tests.machine_world import CENTRE, MIRROR, NAMES, NO_TROUBLE, Trouble, World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # s; half a minute on two idle cores

NAME = st.sampled_from(NAMES)
ANY = st.integers(0, 7)  # which of what there is
PHOTO_POOL = [photo(f"p{n}") for n in range(5)]
KINDS = ("sensed", "photographed", "checked", "captured", "judged")
FACTS = st.tuples(st.sampled_from(KINDS), ANY, st.booleans())  # kind, photo, simulated
TROUBLES = st.just(NO_TROUBLE) | st.tuples(ANY, st.integers(0, 2), st.sampled_from(FATES), st.booleans())


def body_of(kind: str, picture: bytes) -> r.AnyBody:
    """A fact of some kind; two of five name a photo."""
    match kind:
        case "photographed":
            return r.Photographed(shot="0111", photo=digest(picture), size_bytes=len(picture))
        case "captured":
            return r.Captured(lane="1", station="gate", device="cam", plate_text="", photo=digest(picture))
        case "checked":
            return r.Checked(item="01", result="pass", officer="o-1")
        case "judged":
            return r.Judged(verdict="pass", findings=(), rules="r", rules_sha256="1" * 64)
        case _:
            return r.Sensed(lane="1", station="gate", sensor="occupied", on=True)


class CourierMachine(RuleBasedStateMachine):
    """Every step is a choice of the lines, the machines or the people; what must hold is the world's."""

    @initialize(
        simulated=st.booleans(),
        mirror_refuses=st.booleans(),
        pinned=st.booleans(),
        keeps_refused=st.booleans(),
        roll_records=st.sampled_from([1000, 6]),
        sign_s=st.sampled_from([0.0, 1e6]),  # heads are signed with each commit, or with verdicts only
    )
    def begin(
        self,
        simulated: bool = False,
        mirror_refuses: bool = False,
        pinned: bool = False,
        keeps_refused: bool = False,
        roll_records: int = 1000,
        sign_s: float = 0.0,
    ) -> None:
        self.acknowledged: list[tuple[r.Draft, r.Record]] = []
        self.world = World(
            simulated=simulated,
            mirror_refuses=mirror_refuses,
            pinned=pinned,
            keeps_refused=keeps_refused,
            roll_records=roll_records,
            sign_s=sign_s,
        )
        self.node = self.world.node

    # ---- the lane --------------------------------------------------------------------------------

    @rule(facts=st.lists(FACTS, min_size=1, max_size=6), inspection=st.integers(0, 2))
    def append(self, facts: list[tuple[str, int, bool]], inspection: int) -> None:
        drafts = []
        for kind, which, simulated in facts:
            picture = PHOTO_POOL[which % len(PHOTO_POOL)]
            self.node.photos.put(picture)
            key = f"k{len(self.acknowledged) + len(drafts)}"
            source, body = "virtual+lane" if simulated else "lane", body_of(kind, picture)
            drafts.append(r.Draft(source=source, source_key=key, inspection=f"v{inspection}", body=body))
        for draft, appended in zip(drafts, self.world.run(self.node.journal.append(*drafts)), strict=True):
            assert appended.fresh
            self.acknowledged.append((draft, appended.record))

    @rule(inspection=st.integers(0, 2), first=ANY, second=ANY)
    def visit(self, inspection: int, first: int, second: int) -> None:
        facts = [("captured", first, False), ("checked", 0, False), ("photographed", second, False)]
        self.append([*facts, ("sensed", 0, False), ("judged", 0, False)], inspection)

    @precondition(lambda self: self.acknowledged)
    @rule(which=ANY)
    def device_repeats_itself(self, which: int) -> None:
        draft, record = self.acknowledged[-1 - which % len(self.acknowledged)]
        try:
            (again,) = self.world.run(self.node.journal.append(draft))
        except RetiredError as retired:
            assert retired.seq == record.seq < self.node.journal.first_seq()
        else:
            assert not again.fresh and again.record == record

    @rule()
    def roll(self) -> None:
        self.world.run(self.node.journal.roll())

    @rule(killed=st.booleans())
    def node_starts_again(self, killed: bool) -> None:
        self.world.node_starts_again(self.node.kill() if killed else self.node.stop())

    @rule(
        name=NAME,
        where=st.sampled_from(["before settling", "after settling", "after appending"]),
        exchanges=st.integers(1, 4),
    )
    def kill_at_a_write(self, name: str, where: str, exchanges: int) -> None:
        self.node.journal.dies_at = where
        for _ in range(exchanges):
            if self.world.lines[name].open:
                self.world.exchange(name, NO_TROUBLE)
        self.world.node_starts_again(self.node.kill())

    @rule(at_rest=st.booleans())
    def retire(self, at_rest: bool) -> None:
        """Retention; before a courier notices that its registry was restored nothing can hold it back."""
        for name in NAMES if at_rest else ():
            self.world.catches_up(name)
        if not self.world.receipts_are_true():
            return
        before = {path.stem for path in self.node.photos.files()}
        self.world.run(self.node.journal.rest())
        self.world.run(self.node.keeping.retire(self.node.clock() + timedelta(seconds=1)))
        gone = before - {path.stem for path in self.node.photos.files()}
        for registry in self.world.registries.values():
            assert gone & registry.named().keys() <= registry.held_photos(), "removed, and not held"

    # ---- the lines -------------------------------------------------------------------------------

    @rule(troubles=st.lists(TROUBLES, min_size=1, max_size=6))
    def to_the_centre(self, troubles: list[Trouble]) -> None:
        for trouble in troubles:
            self.world.exchange(CENTRE, trouble)

    @rule(troubles=st.lists(TROUBLES, min_size=1, max_size=6))
    def to_the_mirror(self, troubles: list[Trouble]) -> None:
        for trouble in troubles:
            self.world.exchange(MIRROR, trouble)

    @rule(name=NAME)
    def catches_up(self, name: str) -> None:
        self.world.catches_up(name)

    @rule(name=NAME, which=ANY)
    def request_arrives_and_its_answer_takes_long(self, name: str, which: int) -> None:
        self.world.arrives(name, self.world.asks(name, which))

    @rule(name=NAME, which=ANY)
    def old_request_arrives(self, name: str, which: int) -> None:
        if astray := self.world.lines[name].astray:
            self.world.run(self.world.registries[name].ask(astray.pop(which % len(astray))))

    @rule(name=NAME, which=ANY)
    def a_box_takes_offence(self, name: str, which: int) -> None:
        """From now on it lets nothing pass to this registry that holds one of the next records."""
        self.world.lines[name].offended_at = self.world.registries[name].through() + 1 + which

    @rule(name=NAME)
    def the_box_is_gone(self, name: str) -> None:
        self.world.lines[name].offended_at = 0

    @rule()
    def time_passes(self) -> None:
        self.world.time_passes()

    # ---- the registries --------------------------------------------------------------------------

    @rule(name=NAME, takes_simulated=st.booleans())
    def registry_starts_again(self, name: str, takes_simulated: bool) -> None:
        registry = self.world.registries[name]
        if registry.allow_simulated != takes_simulated and not registry.policy_stays:
            registry.allow_simulated, registry.copies = takes_simulated, []
        self.world.registry_starts_again(name)

    @rule(name=NAME)
    def registry_is_copied(self, name: str) -> None:
        self.world.registries[name].back_up()

    @rule(name=NAME, which=ANY, photos_too=st.booleans())
    def registry_is_restored(self, name: str, which: int, photos_too: bool) -> None:
        if copies := self.world.copies(name):
            self.world.restore(name, copies[which % len(copies)], photos_too)

    @rule(name=NAME, which=ANY)
    def registry_loses_a_photo(self, name: str, which: int) -> None:
        """Its disk forgets a file that the node still has; somebody in the office looks at it."""
        registry = self.world.registries[name]
        if files := sorted(digest for digest in registry.held_photos() if self.node.photos.has(digest)):
            lost = files[which % len(files)]
            registry.photos.path(lost).unlink()
            assert self.world.run(registry.get(f"/v1/photos/{lost}")).status == 404
            self.world.judge(name)

    # ---- what must hold --------------------------------------------------------------------------

    @invariant()
    def all_holds(self) -> None:
        self.world.journal_holds([record for _, record in self.acknowledged])
        for name in NAMES:
            self.world.registry_holds_a_prefix(name)

    def teardown(self) -> None:
        if "world" not in vars(self):
            return
        try:
            if sys.exc_info()[0] is None:
                self.world.ends_well()
                self.all_holds()
        finally:
            self.world.let_go()


BOUNDED = settings(
    max_examples=20,
    stateful_step_count=30,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestCourierMachine = CourierMachine.TestCase
TestCourierMachine.settings = settings.default if settings.get_current_profile_name() == "long" else BOUNDED


# ---- what it has found ---------------------------------------------------------------------------


@contextlib.contextmanager
def played(**chosen: Any) -> Iterator[CourierMachine]:
    """A machine that is driven by hand; at the end all must be well."""
    machine = CourierMachine()
    machine.begin(**chosen)
    try:
        yield machine
        machine.all_holds()
    finally:
        machine.teardown()


def test_a_gap_before_what_was_retired_is_no_way_back() -> None:
    with played(roll_records=6) as machine:
        for inspection in (0, 1):
            machine.visit(inspection, 0, 1)
        machine.retire(at_rest=True)
        assert machine.node.journal.first_seq() > 1
        machine.visit(2, 2, 3)
        machine.to_the_mirror([(0, 0, "a gap", False)])
        assert "no longer on this node" in machine.world.said(MIRROR)["link"]


def test_what_is_retired_in_the_moment_a_courier_goes_back_is_passed_over_where_it_is_held() -> None:
    """The gap was a lie; retention had read the receipts before."""
    with played(roll_records=6) as machine:
        for inspection in (0, 1):
            machine.visit(inspection, 0, 1)
        for name in NAMES:
            machine.catches_up(name)
        settled = machine.node.journal.receipts()[MIRROR]
        machine.visit(2, 2, 3)
        machine.to_the_mirror([(0, 0, "a gap", False)])
        assert "sending again" in machine.world.said(MIRROR)["restored"]
        machine.retire(at_rest=False)
        assert machine.node.journal.first_seq() == 1, "what may have to be sent again stays"
        retiring = machine.node.journal.retire(
            machine.node.clock() + timedelta(seconds=1), settled, settled + 1
        )
        machine.world.run(retiring)
        assert machine.node.journal.first_seq() > 1


def test_what_a_late_request_brought_back_is_settled_too() -> None:
    with played() as machine:
        machine.append([("sensed", 0, False)] * 6, 0)
        for _ in range(3):
            machine.to_the_centre([(0, 1, "true", True)])
        machine.catches_up(CENTRE)
        machine.registry_is_restored(CENTRE, 0, True)
        machine.time_passes()
        machine.to_the_centre([NO_TROUBLE, NO_TROUBLE])
        settled = machine.node.journal.receipts()[CENTRE]
        assert settled == 4, "sent again"
        for _ in range(3):
            machine.old_request_arrives(CENTRE, 0)
        assert machine.world.registries[CENTRE].through() > settled
        machine.to_the_centre([(0, 0, "lost", False)])


def restored_with_another_policy(machine: CourierMachine) -> None:
    """The courier has noticed, gone back and sent again; what was held is refused now, and no answer came."""
    machine.append([("sensed", 0, True)] * 3, 0)
    machine.catches_up(CENTRE)
    machine.registry_is_restored(CENTRE, 0, True)
    machine.world.registries[CENTRE].policy_stays = False
    machine.registry_starts_again(CENTRE, takes_simulated=False)
    machine.to_the_centre([NO_TROUBLE, (0, 1, "lost", False)])
    assert any(row.refused for row in machine.world.registries[CENTRE].rows())


def test_what_a_restored_registry_refuses_is_named_though_the_answer_was_lost() -> None:
    with played() as machine:
        restored_with_another_policy(machine)


def test_a_node_that_was_killed_after_it_went_back_still_names_what_is_refused() -> None:
    with played() as machine:
        restored_with_another_policy(machine)
        machine.node_starts_again(killed=True)


def test_what_a_restored_registry_lacks_is_not_retired() -> None:
    with played(roll_records=6) as machine:
        for inspection in (0, 1):
            machine.visit(inspection, 0, 1)
        for name in NAMES:
            machine.catches_up(name)
        machine.registry_is_restored(MIRROR, 0, True)
        machine.to_the_mirror([NO_TROUBLE])
        assert machine.world.receipts_are_true()
        machine.retire(at_rest=False)


def test_photos_that_were_removed_once_are_no_trouble_after_a_restart() -> None:
    with played() as machine:
        machine.append([("photographed", 0, False)], 0)
        machine.retire(at_rest=True)
        machine.node_starts_again(killed=False)
        machine.retire(at_rest=False)
