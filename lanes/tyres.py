"""Tread depth: the shallowest tyre of the steering axle, and of all other axles.

GB 7258-2017 轮胎 (domain notes 2.3, Q): steering wheels of vehicles that are neither passenger cars nor
trailers have a bound of their own. The first axle steers (M; trailers are given one bound for both).
"""

from collections.abc import Iterator

from lanes.quantity import Derived, plain
from lanes.record import Tread, TyresMeasured

DEEPEST_MM = 50  # beyond it the gauge is at fault (M)
STEERING_AXLE = 1


def tyres_problem(measured: TyresMeasured) -> str | None:
    """Why a measurement cannot be used, or None."""
    if not measured.treads:
        return f"{measured.item}: no tyre was measured"
    for tread in measured.treads:
        if not tread.depth_mm.is_finite() or not 0 <= tread.depth_mm <= DEEPEST_MM:
            where = f"axle {tread.axle} {tread.wheel}"
            return (
                f"{measured.item}: tread {tread.depth_mm} mm ({where}) is not between 0 and {DEEPEST_MM} mm"
            )
    return None


def tyres(measured: TyresMeasured) -> Iterator[Derived]:
    """Shallowest tread, mm: of the steering wheels (``tread_steering``), of the others (``tread_other``)."""
    steering = [tread for tread in measured.treads if tread.axle == STEERING_AXLE]
    others = [tread for tread in measured.treads if tread.axle != STEERING_AXLE]
    for quantity, treads in (("tread_steering", steering), ("tread_other", others)):
        if treads:
            yield _shallowest(quantity, treads)


def _shallowest(quantity: str, treads: list[Tread]) -> Derived:
    depths = ", ".join(f"{tread.axle} {tread.wheel} {plain(tread.depth_mm)}" for tread in treads)
    value = min(tread.depth_mm for tread in treads)
    return Derived(quantity=quantity, value=value, unit="mm", working=f"min({depths})")
