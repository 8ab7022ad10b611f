"""Rejected: every reason for which the registry turns a request down, in RFC 9457 form, in both languages."""

from typing import Any

from central_sync import uploads

URN = "urn:chayan:problem:"


class Rejected(Exception):
    """A request that is turned down as a whole; nothing of it was kept."""

    def __init__(self, status: int, code: str, title: str, title_zh: str, detail: str, **more: Any) -> None:
        super().__init__(f"{title}: {detail}")
        self.status = status
        self.code = code
        self.headers: dict[str, str] = {}
        self.body = {
            "type": URN + code,
            "title": title,
            "title_zh": title_zh,
            "status": status,
            "detail": detail,
            **more,
        }

    @classmethod
    def malformed(cls, detail: str) -> "Rejected":
        return cls(422, "malformed", "The request cannot be read", "请求无法解析", detail)

    @classmethod
    def too_large(cls, detail: str) -> "Rejected":
        return cls(413, "too-large", "The body is too large", "请求体过大", detail)

    @classmethod
    def broken_chain(cls, first: int, last: int) -> "Rejected":
        detail = f"prev_head and records {first} to {last} do not lead to the head of the batch"
        return cls(422, "broken-chain", "The hash chain is broken", "哈希链断裂", detail)

    @classmethod
    def bad_signature(cls, over: str) -> "Rejected":
        detail = f"the signature over {over} is not by the public key given"
        return cls(403, "bad-signature", "The signature does not hold", "签名无效", detail)

    @classmethod
    def unknown_node(cls, site: str, node: str) -> "Rejected":
        detail = f"node {node} of site {site} is not enrolled here; enrol it with its public key"
        return cls(403, "unknown-node", "The node is not enrolled", "节点未登记", detail)

    @classmethod
    def other_key(cls, node: str) -> "Rejected":
        detail = f"node {node} is enrolled with another public key"
        return cls(403, "other-key", "The node has another key", "节点密钥不符", detail)

    @classmethod
    def gap(cls, expected: int, head: bytes) -> "Rejected":
        detail = f"records before this batch are missing here; send from {expected}"
        return cls(
            409, "gap", "Records are missing before this batch", "批次之前缺少记录", detail,
            expected=expected, head=head.hex(),
        )  # fmt: skip

    @classmethod
    def conflict(cls, seq: int) -> "Rejected":
        detail = f"record {seq} is held here with other bytes; nothing was stored"
        return cls(
            409, "conflict", "The chain differs from the one held", "哈希链与库内不一致", detail, seq=seq
        )

    @classmethod
    def ahead(cls, size: int, through: int) -> "Rejected":
        detail = f"the checkpoint covers {size} records, {through} are held here; send the records first"
        return cls(409, "ahead", "Records under the checkpoint are missing", "检查点所含记录尚未到齐", detail)

    @classmethod
    def other_root(cls, size: int) -> "Rejected":
        detail = f"the first {size} records held here have another Merkle root; nothing was cosigned"
        return cls(
            409,
            "other-root",
            "The root differs from that of the records held",
            "默克尔根与库内不一致",
            detail,
        )

    @classmethod
    def no_key(cls) -> "Rejected":
        detail = "this registry has no key to sign with; start it with a photo folder it can write"
        return cls(501, "no-key", "This registry has no key", "登记库没有密钥", detail)

    @classmethod
    def no_algorithm(cls, detail: str) -> "Rejected":
        return cls(
            503,
            "no-algorithm",
            "Signatures of this kind cannot be checked here",
            "本库无法验证此类签名",
            detail,
        )

    @classmethod
    def clock(cls, node: str) -> "Rejected":
        detail = f"the time that {node} signed is more than ten minutes from this registry's, see Chayan-Time"
        return cls(401, "clock", "The clocks are too far apart", "时钟相差过大", detail)

    @classmethod
    def not_found(cls, detail: str) -> "Rejected":
        return cls(404, "not-found", "Nothing of this name is held", "未找到", detail)

    @classmethod
    def other_feed(cls, position: int) -> "Rejected":
        detail = (
            f"position {position} of this feed is not where the cursor comes from: the registry was restored "
            "from an older copy, or is another; begin again without a cursor, or with since=TIME"
        )
        return cls(410, "other-feed", "The cursor is of another feed", "游标不属于本变更流", detail)

    @classmethod
    def ambiguous(cls, detail: str) -> "Rejected":
        return cls(409, "ambiguous", "Several nodes hold this name", "多个节点存在同名", detail)

    @classmethod
    def photo_not_wanted(cls, sha256: str, node: str) -> "Rejected":
        detail = f"no record of {node} held here names the photo {sha256}; send the records first"
        return cls(409, "photo-not-wanted", "No record names this photo", "无记录引用该照片", detail)

    @classmethod
    def wrong_photo(cls, detail: str) -> "Rejected":
        return cls(422, "wrong-photo", "The body is not that photo", "照片内容不符", detail)

    @classmethod
    def misplaced(cls, expected: int, provided: int) -> "Rejected":
        detail = f"{expected} bytes of this upload are here; go on from there, not from {provided}"
        more = {"type": uploads.MISMATCH, "expected-offset": expected, "provided-offset": provided}
        title = "The part does not begin where the upload ends"
        made = cls(409, "mismatching-upload-offset", title, "分段起点与已收长度不符", detail, **more)
        made.headers = uploads.fields(expected, complete=False)
        return made

    @classmethod
    def inconsistent_length(cls, length: int, end: int) -> "Rejected":
        detail = f"Upload-Length says {length} bytes, but the part ends at {end}"
        title = "The length of the upload does not fit the part"
        more = {"type": uploads.INCONSISTENT}
        made = cls(400, "inconsistent-upload-length", title, "上传总长度与分段不符", detail, **more)
        made.headers = {uploads.COMPLETE: "?0"}
        return made

    @classmethod
    def unavailable(cls) -> "Rejected":
        detail = "the database does not answer; try again"
        return cls(503, "unavailable", "The registry cannot answer now", "登记库暂不可用", detail)

    @classmethod
    def damaged(cls, detail: str) -> "Rejected":
        return cls(500, "damaged", "What is held here is damaged", "库内存储已损坏", detail)

    @classmethod
    def http(cls, status: int, detail: str) -> "Rejected":
        return cls(status, "http", "The request cannot be answered", "请求无法处理", detail)
