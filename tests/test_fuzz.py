"""The fuzzing itself: a broken codec is found and its input kept, a sound one runs to the end."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from firmware_bridge.devices import indicators
from firmware_bridge.devices.framing import Fixed
from tests import fuzz
from tests.codec_cases import CASES
from tests.codec_contract import Message, Wire

WEIGHT = CASES["xk3190-a9"]
assert isinstance(WEIGHT, Wire)
UNCHECKED = replace(WEIGHT, make=lambda: Fixed(indicators.SIZE, indicators.read_ds8))


class Keeping:
    """A codec that never gives anything up."""

    def __init__(self) -> None:
        self.skipped = 0
        self._held = b""

    def feed(self, chunk: bytes) -> list[object]:
        self._held += chunk
        return []

    def drop(self) -> None:
        """Nothing."""


BROKEN = {
    "reads what was not sent": UNCHECKED,
    "keeps everything": replace(WEIGHT, make=Keeping),
    "raises": Message(
        name="raises", kinds=(), read=lambda raw: raw[40], golden=((bytes(41), 0),), refuses=()
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_codec_is_found_and_its_input_kept(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fuzz, "case_of", lambda name: BROKEN[case])
    for folder in ("corpus", "broken"):
        (tmp_path / folder).mkdir()
    (tmp_path / "corpus" / "golden").write_bytes(b"\x40" + BROKEN[case].golden[0][0])
    done, why = fuzz.mutated(case, 20_000, tmp_path, 1)
    assert why
    assert done < 20_000
    (kept,) = (tmp_path / "broken").iterdir()
    with pytest.raises((fuzz.Broken, IndexError)):
        fuzz.check(BROKEN[case])(kept.read_bytes())


@pytest.mark.parametrize("name", ["ds8", "jx-wheel-load", "pda-mqtt"])
def test_a_sound_codec_runs_to_the_end(name: str, tmp_path: Path) -> None:
    room = fuzz.prepared(name, tmp_path)
    assert len(list((room / "corpus").iterdir())) == len(CASES[name].golden) + 1
    assert fuzz.mutated(name, 2000, room, 1) == (2000, "")
    assert list((room / "broken").iterdir()) == []


def test_an_unknown_codec_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["fuzz", "--only", "nobody"])
    with pytest.raises(SystemExit):
        fuzz.main()
    assert "no such codec" in capsys.readouterr().err
