"""What the control units say the vehicle is, beside papers and struck VIN: it proposes, it never fails."""

from collections.abc import Iterator

from lanes.evidence import Answer, Evidence, answers
from lanes.record import Finding, ObdRead
from lanes.rulebook import Rulebook
from lanes.spelling import looks_like
from lanes.vin import LENGTH, fold_vin

ITEM, QUANTITY = "ecu_vin", "obd"
NO_VIN, DIFFERS = "4-22", "4-23"  # of defects.toml and verdicts.toml: no VIN in the ECU; VINs differ
BLANKS = frozenset("0FX-")  # what fills a unit that nobody has written (M)


def identity_findings(evidence: Evidence, rulebook: Rulebook) -> Iterator[Finding]:
    """One finding of the last reading of the control units; none without a reading.

    ``pass`` when every VIN they hold is that of the papers and of the struck one, otherwise
    ``not_applicable``: what it proposes is for an officer; its severity is that of the defect in the rules.
    """
    if evidence.obd is None:
        return
    seq, read = evidence.obd
    held, papers, struck = ecu_vins(read), fold_vin(evidence.vehicle.vin), _struck(evidence)
    seen = struck.review[1].text if struck and struck.review else ""
    words = [f"struck, as it was read: {seen}"] if seen else []
    if not held:
        proposes = "" if read.outcome == "no_obd" else NO_VIN
        words.insert(0, read.why or "the control units hold no VIN")
    elif len(papers) != LENGTH:
        proposes = ""
        words.insert(0, "the papers have no VIN to compare with")
    else:
        others = [vin for vin in held if vin != papers]
        unlike = seen and not all(looks_like(vin, fold_vin(seen)) for vin in held)
        proposes = DIFFERS if others or unlike else ""
        words += ["the control units differ"] if len(held) > 1 else []
    agrees = bool(held) and not proposes and len(papers) == LENGTH
    known = rulebook.codes.defects.get(proposes)
    yield Finding(
        item=ITEM,
        result="pass" if agrees else "not_applicable",
        quantity=QUANTITY,
        value=" ".join(held),
        limit=evidence.vehicle.vin,
        arithmetic="; ".join([*words, *([f"defect {known.code}: {known.en}"] if known else [])])[:2000],
        basis=(seq, *(struck.basis if struck else ())),
        severity=known.severity if known else "reject",
        proposes=(proposes,) if proposes in rulebook.verdicts.signs else (),
    )


def ecu_vins(read: ObdRead) -> tuple[str, ...]:
    """The VINs of a reading in one spelling, each once, without padding; an unwritten unit's is none."""
    texts = (_unpadded(fold_vin(vin.strip("\0\xff"))) for vin in (read.vin, *read.other_vins))
    return tuple(dict.fromkeys(vin for vin in texts if vin))


def _unpadded(vin: str) -> str:
    """Without the zeros in front of a VIN in a wider field; empty: nobody has written it."""
    bare = vin[-LENGTH:] if len(vin) > LENGTH and not vin[:-LENGTH].strip("0") else vin
    return "" if len(set(bare)) == 1 and set(bare) <= BLANKS else bare


def _struck(evidence: Evidence) -> Answer | None:
    """The reading of a whole VIN, on a photo that counts, of which nobody says that it is the papers'."""
    for shot in sorted(evidence.photos):
        for answer in answers(evidence, shot, ()):
            ruled_right = answer.ruling is not None and answer.ruling[1].decision == "pass"
            if answer.question != "vin" or answer.review is None or answer.agrees or ruled_right:
                continue
            if len(fold_vin(answer.review[1].text)) == LENGTH:
                return answer
    return None
