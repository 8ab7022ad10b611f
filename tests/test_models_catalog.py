"""Weights are found without importing their packages, proven by digest, and missed with one clear error."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from models import catalog as weights
from models.catalog import WeightsError, catalog, joint_digest, locate, verified


def test_every_weight_of_the_catalog_is_there_and_is_the_right_one() -> None:
    assert len(catalog().weights) == 9
    for name, weight in catalog().weights.items():
        assert len(verified(name)) > 500_000
        assert weight.licence.startswith("Apache-2.0")


def test_a_missing_package_names_what_to_install() -> None:
    weight = msgspec.structs.replace(catalog().weights["reader-v4"], package="no-such-weights", version="1.2")
    with pytest.raises(WeightsError, match=r"reader-v4.*pip install --no-deps no-such-weights==1\.2"):
        locate("reader-v4", weight)


def test_a_missing_file_names_it() -> None:
    weight = msgspec.structs.replace(catalog().weights["reader-v4"], path="rapidocr_onnxruntime/none.onnx")
    with pytest.raises(WeightsError, match=r"has no rapidocr_onnxruntime/none\.onnx"):
        locate("reader-v4", weight)


def test_a_missing_weight_of_our_own_names_it() -> None:
    weight = msgspec.structs.replace(catalog().weights["vin-voter"], path="weights/none.onnx")
    with pytest.raises(WeightsError, match=r"vin-voter: .*weights/none\.onnx is not there"):
        locate("vin-voter", weight)


def test_weights_of_our_own_are_small_enough_to_be_kept_with_the_code() -> None:
    for weight in catalog().weights.values():
        if not weight.package:
            assert locate("own", weight).stat().st_size < 8_000_000


def test_altered_weights_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    altered = tmp_path / "altered.onnx"
    altered.write_bytes(b"other")
    monkeypatch.setattr(weights, "locate", lambda name, weight: altered)
    with pytest.raises(WeightsError, match=r"altered.onnx has SHA-256 .* the catalog says"):
        verified("reader-v6")


def test_a_joint_digest_depends_on_each_weight_and_their_order() -> None:
    one, two = joint_digest(("lines-v6", "reader-v6")), joint_digest(("reader-v6", "lines-v6"))
    assert len(one) == 64
    assert len({one, two, joint_digest(("lines-v6",))}) == 3


def test_the_packages_that_bring_weights_are_never_imported() -> None:
    told = """
import sys, models.cli
from models.session import Session
Session("plate-corners", threads=1)
print([m for m in sys.modules if m.split(".")[0] in ("agentclpr", "rapidocr", "rapidocr_onnxruntime")])
"""
    done = subprocess.run(
        [sys.executable, "-c", told], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_a_loaded_weight_is_not_kept_twice() -> None:
    told = """
from pathlib import Path
from models.memory import give_back, keep_little
from models.session import Session
def resident_kb():
    give_back()
    return int(Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0])
keep_little()
small = Session("plate-outline", threads=1)
before = resident_kb()
large = Session("reader-v6", threads=1)
print(resident_kb() - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", told], capture_output=True, text=True, check=True, timeout=60
    )
    size_kb = len(verified("reader-v6")) / 1024
    assert int(done.stdout) < 1.6 * size_kb  # twice and more where the runtime keeps the file too
