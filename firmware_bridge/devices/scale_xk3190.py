"""Wheel-load scale of two 耀华 (Yaohua) XK3190-A9 indicators: scale.py under the keys it had first."""

import msgspec

from firmware_bridge.devices.scale import Config as ScaleConfig
from firmware_bridge.devices.scale import Rest, Scale


class Config(Rest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The lines of the left and the right indicator, and what counts as at rest."""

    left: str
    right: str
    simulated: bool = False


def build(name: str, config: Config) -> Scale:
    """The scale of that config."""
    return Scale(name, ScaleConfig(indicator="xk3190-a9", **msgspec.structs.asdict(config)))
