"""Verification of a journal by anyone, offline: records, signatures, receipts, checkpoints, mark, photos."""

import hashlib
from pathlib import Path

from central_sync.trust import Trust
from central_sync.verdicts import Findings
from central_sync.volumes import JournalError, JournalReader
from central_sync.vouchers import Vouchers
from central_sync.walk import Walk
from lanes.record import Record, photos_of

RECENT = 4096  # photos that are not looked at again when another record names them soon after


def verify_journal(path: Path, trust: Trust) -> Findings:
    """What holds of a journal (folder or any volume); never raises for what the files hold."""
    findings = Findings(target=str(path))
    try:
        reader = JournalReader(path)
    except JournalError as trouble:
        findings.wrong(f"无法读取日志账：{trouble}", f"the journal cannot be read: {trouble}")
        return findings
    try:
        _verify(path, reader, trust, findings)
    finally:
        reader.close()
    findings.first_wrong_first()
    return findings


def _verify(path: Path, reader: JournalReader, trust: Trust, findings: Findings) -> None:
    last = reader.first_seq - 1
    try:
        walk = Walk(reader, trust, findings)
        photos = _Photos((path if path.is_dir() else path.parent) / "photos", findings)
        for record in walk.records():
            photos.check(record)
            last = record.seq
        if not walk.whole:
            return
        walk.conclude()
        Vouchers(path, reader, walk, trust, findings).check()
        photos.conclude(walk.photos_retired)
        for volume in reader.volumes:
            volume.must_be_sound()
    except JournalError as trouble:
        findings.wrong(
            f"文件损坏：{trouble}。至第 {last} 条的记录可读且相接",
            f"the file is damaged: {trouble}. Records through {last} can be read and are linked",
            last + 1,
        )


class _Photos:
    """Photos beside the journal: those that records name are there, and are what they name."""

    def __init__(self, folder: Path, findings: Findings) -> None:
        self._folder, self._findings = folder if folder.is_dir() else None, findings
        self._recent: dict[str, None] = {}
        self._missing: list[tuple[int, str]] = []
        self._whole = 0

    def check(self, record: Record) -> None:
        """Looks at each photo that a record names."""
        for digest, _ in photos_of(record.body):
            if self._folder is None or digest in self._recent:
                continue
            self._recent[digest] = None
            if len(self._recent) > RECENT:
                self._recent.pop(next(iter(self._recent)))
            self._look(self._folder / digest[:2] / f"{digest}.bin", digest, record.seq)

    def _look(self, path: Path, digest: str, seq: int) -> None:
        try:
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            self._missing.append((seq, digest))
        except OSError as trouble:
            self._findings.wrong(
                f"第 {seq} 条记录的照片 {digest} 无法读取：{trouble.strerror}",
                f"photo {digest} of record {seq} cannot be read: {trouble.strerror}",
                seq,
            )
        else:
            if found == digest:
                self._whole += 1
                return
            self._findings.wrong(
                f"第 {seq} 条记录的照片 {digest} 被改动", f"photo {digest} of record {seq} was changed", seq
            )

    def conclude(self, retired_through: int) -> None:
        """``retired_through``: the last record whose photos were removed by policy."""
        if self._folder is None:
            return
        for seq, digest in self._missing:
            if seq > retired_through:
                self._findings.wrong(
                    f"第 {seq} 条记录的照片 {digest} 不在", f"photo {digest} of record {seq} is missing", seq
                )
        if self._whole:
            self._findings.right(
                f"{self._whole} 张照片在库且完整", f"{self._whole} photos are here and whole"
            )
        if retired_through:
            self._findings.remark(
                f"第 {retired_through} 条以前的照片已按策略清除",
                f"photos of records through {retired_through} were removed by policy",
            )
