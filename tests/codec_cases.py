"""Every codec that reads what a device sends: how it is made, golden frames and what they mean.

Sources of the frames: the file of each codec, and its tests.
"""

from firmware_bridge.catalog import KINDS
from tests.codec_contract import Case
from tests.codecs_of_messages import MESSAGES
from tests.codecs_of_registers import REGISTERS
from tests.codecs_of_streams import STREAMS

CASES: dict[str, Case] = {case.name: case for case in (*STREAMS, *MESSAGES, *REGISTERS)}

# kinds without a codec of ours: one is only told something, the video of the other is decoded by PyAV
WITHOUT = frozenset({"led-board", "rtsp-camera"})


def untried() -> set[str]:
    """Kinds of the catalog that no case reads."""
    return set(KINDS) - {kind for case in CASES.values() for kind in case.kinds} - WITHOUT
