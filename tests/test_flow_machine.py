"""A lane under vehicles that reverse, tail-gate and run red lights, sensors that bounce, an agent that falls.

What truly stands where is known to the test; the book must never be so wrong that harm comes of it.
"""

from dataclasses import dataclass
from datetime import timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from lanes.book import Book
from lanes.flow import Measure, outputs
from lanes.irregular import irregular
from lanes.presence import doubtful
from lanes.record import Arrived, Checked, Judged, Moved, Withdrawn
from tests.line_parts import KINDS, LANE, World, car

GATE, EXTERIOR, BRAKE, SIDESLIP, EXIT = range(5)
LEADS = ("barrier", "light", "light", "light", "barrier")
VERDICT = Judged(verdict="pass", findings=(), rules="r", rules_sha256="0" * 64)


@dataclass
class Truth:
    """One vehicle: its inspection, and where it truly is; halves are on the way to the next station."""

    name: str
    where: float
    axle: int = 0


class LaneMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.cars: list[Truth] = []
        self.orders = 0

    # ---- what is true ------------------------------------------------------------------------------

    def standing(self, where: float) -> list[Truth]:
        return [each for each in self.cars if each.where == where]

    def green(self, station: int) -> bool:
        return self.world.coils.get((KINDS[station], LEADS[station]), False)

    def tell(self, station: int, after_s: float = 1.0) -> None:
        """The loop of a station tells what it sees, if that has changed."""
        level = bool(self.standing(station))
        if self.world.state.on(KINDS[station]) is not level:
            self.world.sense(KINDS[station], level, after_s=after_s)

    def tell_axles(self) -> None:
        axle = max((each.axle for each in self.standing(BRAKE)), default=0)
        for sensor, level in (("axle", axle > 0), ("beyond", axle > 1)):
            if self.world.state.on("brake", sensor) is not level:
                self.world.sense("brake", level, sensor)

    def put(self, vehicle: Truth, where: float, after_s: float = 1.0) -> None:
        came_from, vehicle.where, vehicle.axle = vehicle.where, where, 0
        for station in {came_from, where}:
            if station == int(station) and station <= EXIT:
                self.tell(int(station), after_s)
        self.tell_axles()

    def gone(self, vehicle: Truth) -> None:
        self.cars.remove(vehicle)
        if vehicle.where == int(vehicle.where):
            self.tell(int(vehicle.where))
        self.tell_axles()

    def come(self, name: str, number: int) -> None:
        """A vehicle comes to the gate, and the camera sees it."""
        self.cars.append(Truth(name, GATE))
        self.tell(GATE, after_s=3)
        self.world.capture(f"浙A{number:05d}")

    # ---- what happens ------------------------------------------------------------------------------

    @rule()
    def arrive(self) -> None:
        if self.standing(GATE) or len(self.cars) > 4:
            return
        self.orders += 1
        self.world.order(f"i{self.orders}", car(self.orders))
        self.come(f"i{self.orders}", self.orders)

    @rule(known=st.booleans(), enters=st.booleans())
    def tailgate(self, known: bool, enters: bool) -> None:
        """A second vehicle comes under the barrier that went up for the first, and may go on behind it."""
        if not self.standing(GATE) or not self.green(GATE) or self.standing(EXTERIOR):
            return
        self.put(self.standing(GATE)[0], EXTERIOR)
        self.orders += 1
        if known:
            self.world.order(f"i{self.orders}", car(self.orders))
        else:
            self.world.order(f"i{self.orders}", car(self.orders, plated=False), lane="2")
        self.come(f"i{self.orders}", self.orders)
        if enters:
            self.put(self.standing(GATE)[0], EXTERIOR)

    @rule(station=st.integers(GATE, EXIT), obedient=st.booleans())
    def drive(self, station: int, obedient: bool) -> None:
        """Off towards the next station: by green, or past a red light; no barrier is broken."""
        for vehicle in self.standing(station)[:1]:
            if self.green(station) or (not obedient and LEADS[station] == "light"):
                self.put(vehicle, station + 0.5)

    @rule(station=st.integers(GATE, EXIT))
    def reach(self, station: int) -> None:
        for vehicle in self.standing(station + 0.5)[:1]:
            if station == EXIT:
                self.gone(vehicle)
            elif len(self.standing(station + 1)) < 2:
                self.put(vehicle, station + 1)

    @rule(station=st.sampled_from([GATE, EXTERIOR, BRAKE]))
    def reverse(self, station: int) -> None:
        for vehicle in self.standing(station)[:1]:
            if station == GATE:
                self.gone(vehicle)
            elif not self.standing(station - 1) and not self.standing(station - 0.5):
                self.put(vehicle, station - 0.5)
                self.put(vehicle, station - 1, after_s=2)

    @rule(station=st.integers(GATE, EXIT))
    def bounce(self, station: int) -> None:
        if self.standing(station) and self.world.state.on(KINDS[station]):
            self.world.sense(KINDS[station], False, after_s=0.3)
            self.world.sense(KINDS[station], True, after_s=0.3)

    @rule()
    def advance(self) -> None:
        for vehicle in self.standing(BRAKE)[:1]:
            if self.world.coils.get(("brake", "advance"), False) and vehicle.axle < 2:
                vehicle.axle += 1
                if vehicle.axle == 2:
                    self.world.sense("brake", False, "axle")
                self.tell_axles()

    @rule()
    def restart(self) -> None:
        before = self.world.book
        self.world.restart()
        twice = Book()
        before.lane("1"), twice.lane("1")  # made when first asked for
        for record in self.world.records[:-1]:
            twice.take(record)
        assert twice == before, "the same records, the same book"

    @rule(count=st.integers(1, 4))
    def agent(self, count: int) -> None:
        """The agent does what is due; its instruments measure what truly stands there."""
        for _ in range(count):
            due = self.world.settle()
            self.no_green_into_an_occupied_station()
            for step in due[:1]:
                self.measure(step)

    def measure(self, step: Measure) -> None:
        there = self.standing(KINDS.index(step.station))
        assert [each.name for each in there] == [step.inspection], "a reading of another vehicle"
        if step.role != "sideslip":
            assert there[0].axle == step.axle
        self.world.do(step)

    @rule(rounds=st.integers(1, 6))
    def orderly(self, rounds: int) -> None:
        """For a while everybody does what he should."""
        for _ in range(rounds):
            self.agent(8)
            self.officer()
            self.advance()
            for station in range(EXIT, -1, -1):
                self.drive(station, True)
                self.reach(station)

    @rule()
    def officer(self) -> None:
        for name, inspection in self.world.book.inspections.items():
            if inspection.station == "exterior" and not inspection.checks:
                self.world.add(Checked(item="01", result="pass", officer="o"), name)
            if inspection.station == "exit" and inspection.phase == "on_lane":
                self.world.add(VERDICT, name)

    @rule()
    def operator(self) -> None:
        """Looks at what is told, and mends it as it truly is."""
        for _ in range(20):
            later = self.world.now + timedelta(seconds=60)
            told = [
                each
                for each in irregular(LANE, self.world.book, self.world.instruments(), later)
                if each.code not in ("slow", "late")
            ]
            if not told:
                return
            self.mend()
            if "overshot" in {each.code for each in told}:
                for vehicle in self.standing(BRAKE):
                    vehicle.axle = 0  # it drives back off the rollers
                self.tell_axles()
            self.world.settle()
        raise AssertionError(f"nothing mends {[(each.code, each.station) for each in told]}")

    def mend(self) -> None:
        for station in range(EXIT + 1):
            for second in self.standing(station)[1:]:  # one vehicle a station: the other is sent back
                self.gone(second)
        for vehicle in [each for each in self.cars if each.where != int(each.where)]:
            self.gone(vehicle)  # towed away: it stood in the way
        truth = {each.name: KINDS[int(each.where)] for each in self.cars}
        at = self.world.state.at
        for station, who in list(at.items()):
            if truth.get(who) != station:
                self.world.add(Withdrawn(lane="1", by="op", reason="not there"), who)
        for who, station in truth.items():
            inspection = self.world.book.inspections[who]
            if inspection.phase == "waiting":
                self.world.add(Arrived(lane="1", how="operator", by="op", reason="seen"), who)
            if at.get(station) != who or station in doubtful(LANE, self.world.book):
                self.world.add(Moved(lane="1", station=station, by="op", reason="seen"), who)

    # ---- what must never be ------------------------------------------------------------------------

    @invariant()
    def one_vehicle_one_station(self) -> None:
        booked = list(self.world.state.at.values())
        assert len(set(booked)) == len(booked)
        for station, who in self.world.state.at.items():
            inspection = self.world.book.inspections[who]
            assert (inspection.station, inspection.lane) == (station, "1")

    def no_green_into_an_occupied_station(self) -> None:
        state = self.world.state
        wanted = outputs(LANE, self.world.book, self.world.instruments(), self.world.done())
        for station in range(EXIT):
            goal = wanted[KINDS[station], LEADS[station]]
            if goal.why == "go on":
                assert state.free(KINDS[station + 1]) and state.on(KINDS[station])
            else:
                assert not goal.on or station == GATE, "only a barrier stays up over a vehicle"

    def teardown(self) -> None:
        """Whatever has happened: with an operator who looks, every inspection comes to its end."""
        for _ in range(300):
            self.operator()
            self.orderly(1)
            there = {each.name for each in self.cars}
            inspections = self.world.book.inspections
            lost = [n for n, each in inspections.items() if each.phase == "waiting" and n not in there]
            if lost and not self.standing(GATE):
                self.come(lost[0], int(lost[0][1:]))
            if all(each.phase == "gone" for each in inspections.values()):
                break
        assert {each.phase for each in self.world.book.inspections.values()} <= {"gone"}
        self.restart()


LaneMachine.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestLane = LaneMachine.TestCase
