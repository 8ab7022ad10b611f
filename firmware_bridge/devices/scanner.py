"""Bar-code and QR scanners on a serial line or TCP: a prefix, the code, a suffix, and a line end (M).

Their text has no check: a line that pauses, or lacks its prefix or suffix, is not taken.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from firmware_bridge.device import Scan
from firmware_bridge.devices.listener import Listener, Once
from firmware_bridge.devices.text_lines import Deframer

Affix = Annotated[str, Meta(max_length=20, pattern=r"^[\x01-\x7e]*$")]


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The scanner's line, and what stands around a code."""

    address: str
    prefix: Affix = ""
    suffix: Affix = ""
    ends: Annotated[str, Meta(min_length=1, max_length=4, pattern=r"^[\x01-\x7e]*$")] = "\r\n"
    encoding: Literal["auto", "utf-8", "gbk"] = "auto"
    repeat_s: Annotated[float, Meta(ge=0, le=60)] = 2.0
    simulated: bool = False


def read(line: bytes, config: Config) -> str:
    """The code of a line, without blanks at its ends; raises ValueError."""
    prefix, suffix = config.prefix.encode("ascii"), config.suffix.encode("ascii")
    if not line.startswith(prefix) or not line.endswith(suffix) or len(line) < len(prefix) + len(suffix):
        raise ValueError(f"a line without {'prefix' if not line.startswith(prefix) else 'suffix'}")
    bare = line[len(prefix) : len(line) - len(suffix)]
    text = _decoded(bare, config.encoding).strip()
    if not text or not all(c.isprintable() for c in text):
        raise ValueError("no code, or characters that cannot be printed")
    if len(text) > 2000:
        raise ValueError(f"{len(text)} characters are longer than any code that is used here")
    return text


def _decoded(bare: bytes, encoding: str) -> str:
    for each in ("utf-8", "gb18030") if encoding == "auto" else (encoding,):
        try:
            return bare.decode(each)
        except UnicodeDecodeError:
            continue
    raise ValueError(f"not {encoding}" if encoding != "auto" else "neither UTF-8 nor GBK")


class Scanner(Listener[bytes]):
    """A scanner; it speaks when something is scanned."""

    def __init__(self, name: str, config: Config) -> None:
        super().__init__(
            name,
            config.address,
            lambda: Deframer(config.ends.encode("ascii")),
            Once(config.repeat_s),
            simulated=config.simulated,
        )
        self._config = config

    def named(self, frame: bytes) -> str:
        return read(frame, self._config)

    def said(self, key: str, frame: bytes) -> Scan:
        return Scan(key=key, text=read(frame, self._config))

    def bytes_of(self, frame: bytes) -> bytes:
        return frame
