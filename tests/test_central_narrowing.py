"""Narrowing: few tries find the record that is turned down; after patience its bytes are withheld."""

import random

import pytest

from central_sync.narrowing import Patience, Suspicion

ROOM = 1000
PATIENCE = Patience(tries=3, seconds=100.0)


def deliver(records: int, poison: set[int], pause_s: float = 50.0) -> tuple[list[int], list[tuple[int, int]]]:
    """A centre that turns down what holds ``poison``: what is withheld, and each batch turned down."""
    suspicion, through, now_s = Suspicion(), 0, 0.0
    withheld: list[int] = []
    down: list[tuple[int, int]] = []
    while through < records:
        last = min(through + suspicion.room(through, ROOM), records)
        if poison.isdisjoint(range(through + 1, last + 1)):
            through = last
        else:
            down.append((through + 1, last))
            suspicion = suspicion.turned_down(through + 1, last, now_s, PATIENCE)
            now_s += pause_s
            if through + 1 < last or not suspicion.is_ripe(PATIENCE):
                continue
            withheld.append(last)
            through = last
        suspicion = suspicion.taken(through)
    return withheld, down


@pytest.mark.parametrize("seed", range(40))
def test_exactly_the_records_that_are_turned_down_are_withheld(seed: int) -> None:
    chance = random.Random(seed)
    records = chance.randint(1, 3000)
    poison = set(chance.sample(range(1, records + 1), chance.randint(1, min(records, 12))))
    withheld, down = deliver(records, poison)
    assert withheld == sorted(poison)
    alone = sum(first == last for first, last in down)
    assert len(down) - alone <= 10 * len(poison), "halving a batch of a thousand takes ten tries"
    assert alone >= PATIENCE.tries * len(poison)


def test_a_record_has_its_tries_and_its_time() -> None:
    def after(*times_s: float) -> bool:
        suspicion = Suspicion()
        for now_s in times_s:
            suspicion = suspicion.turned_down(7, 7, now_s, PATIENCE)
        return suspicion.is_ripe(PATIENCE)

    assert not after(0.0) and not after(0.0, 1.0, 2.0, 3.0, 99.0) and not after(0.0, 100.0)
    assert after(0.0, 1.0, 100.0) and after(0.0, 50.0, 100.0, 150.0)
    assert not after(0.0, 50.0, 151.0), "a time without news begins anew"


def test_the_time_runs_through_records_that_follow_each_other_the_tries_do_not() -> None:
    suspicion = Suspicion()
    for now_s in (0.0, 60.0, 120.0):
        suspicion = suspicion.turned_down(7, 7, now_s, PATIENCE)
    suspicion = suspicion.taken(7)
    for now_s, ripe in ((130.0, False), (140.0, False), (150.0, True)):
        suspicion = suspicion.turned_down(9, 9, now_s, PATIENCE)
        assert suspicion.is_ripe(PATIENCE) == ripe
    suspicion = suspicion.taken(9)
    for now_s in (400.0, 410.0, 420.0):
        suspicion = suspicion.turned_down(11, 11, now_s, PATIENCE)
    assert not suspicion.is_ripe(PATIENCE)


def test_what_is_suspected_is_halved_and_all_beyond_it_goes_as_ever() -> None:
    suspicion = Suspicion().turned_down(11, 20, 0.0, PATIENCE)
    assert [suspicion.room(through, ROOM) for through in (10, 15, 18, 19, 20, 50)] == [5, 2, 1, 1, ROOM, ROOM]
    assert suspicion.room(10, 3) == 3
    assert suspicion.taken(19) == suspicion and suspicion.taken(20).last == 0
