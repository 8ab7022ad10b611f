"""What a scanned text means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanes.form_digest import record_text
from lanes.scan import Meaning, meaning

VIN = "LTEST1A27R0000001"
NUMBER = "01935f3a-6f0e-7c1b-9a51-0123456789ab"
FORM = record_text("3301-0001", "lane-node-1", NUMBER, 57, "ab" * 32)


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        (VIN, "vin", VIN),
        (f" {VIN.lower()}\n", "vin", VIN),
        (f"VIN:{VIN}", "vin", VIN),
        (f"车辆识别代号：{VIN}", "vin", VIN),
        (f"合格证 WAC123456789012345678 {VIN} 2026-03-01", "vin", VIN),
        (f"https://maker.example/v?vin={VIN}&s=1", "vin", VIN),
        (f"{VIN} {VIN}", "vin", VIN),
        (f"车架号: {VIN[:10]} {VIN[10:]}", "vin", VIN),
        (f"{VIN} LTEST1A25R0000002", "unknown", f"{VIN} LTEST1A25R0000002"),
        (f"{VIN}2", "unknown", f"{VIN}2"),
        ("12345678901234567", "unknown", "12345678901234567"),
        ("LTEST1A27RO000001", "unknown", "LTEST1A27RO000001"),
        (FORM, "form", NUMBER),
        (FORM[:-1], "unknown", FORM[:-1]),
        (NUMBER.upper(), "inspection", NUMBER),
        ("浙A12345", "plate", "浙A12345"),
        ("苏A·D12345", "plate", "苏AD12345"),
        ("浙a·1234学", "plate", "浙A1234学"),
        ("WJ浙12345", "plate", "WJ浙12345"),
        ("中国", "unknown", "中国"),
        ("6901234567892", "unknown", "6901234567892"),
        ("", "unknown", ""),
    ],
)
def test_meanings(text: str, kind: str, value: str) -> None:
    assert meaning(text) == Meaning(kind, value)  # type: ignore[arg-type]


@given(st.text(max_size=300))
def test_no_text_breaks_it_and_the_unknown_stays_as_it_is(text: str) -> None:
    found = meaning(text)
    assert found.kind != "unknown" or found.value == text.strip()


@given(st.from_regex(r"[A-HJ-NPR-Z0-9]{17}", fullmatch=True).filter(lambda text: not text.isdigit()))
def test_seventeen_characters_of_the_alphabet_are_a_vin(text: str) -> None:
    assert meaning(text) == Meaning("vin", text)
