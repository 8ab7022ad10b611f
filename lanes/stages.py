"""The stages of a visit by its records: queue, each station, signing; and the whole against its target."""

from collections.abc import Iterator

from lanes.inspection import Inspection
from lanes.moments import Moment
from lanes.record import Stage, StagesTimed


def staged(inspection: Inspection, target_s: int, now: Moment) -> StagesTimed:
    """How long each stage of a visit lasted that ends now; signing counts within the station where it was."""
    began = inspection.arrived or now
    return StagesTimed(
        stages=tuple(_stages(inspection, now)),
        whole_ms=now.since_ms(began),
        target_ms=target_s * 1000,
    )


def _stages(inspection: Inspection, now: Moment) -> Iterator[Stage]:
    began = inspection.arrived or now
    yield Stage(stage="queue", lasted_ms=began.since_ms(inspection.ordered))
    for stay in inspection.stays:
        left = stay.left or now
        yield Stage(stage=stay.station, lasted_ms=left.since_ms(stay.entered), lane=stay.lane)
    if inspection.signed is not None and inspection.worked is not None:
        yield Stage(stage="signing", lasted_ms=inspection.signed.since_ms(inspection.worked[1]))
