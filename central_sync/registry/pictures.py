"""Photos at the centre: wanted by a record, handed over by the node that signed it, kept by digest."""

import hashlib
from dataclasses import dataclass

import sqlalchemy as sa

from central_sync.photos import Photos
from central_sync.registry.engines import writing
from central_sync.registry.problems import Rejected
from central_sync.registry.tables import nodes, photos
from central_sync.seal import photo_message, verify

MAX_BYTES = 12 << 20
MAGIC = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png"}


def media_type(data: bytes) -> str | None:
    """What kind of image begins like this; None for anything that is not kept here."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((media for magic, media in MAGIC.items() if data.startswith(magic)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """The enrolled node that signed for a photo which its records name, and what is known of the photo."""

    site: str
    node: str
    held: bool
    size: int | None

    @property
    def folder(self) -> str:
        """A file name for this node of this site."""
        return f"{self.node}.{hashlib.sha256(self.site.encode()).hexdigest()[:16]}"


_named = sa.and_(
    photos.c.site == nodes.c.site,
    photos.c.node == nodes.c.node,
    photos.c.sha256 == sa.bindparam("of_sha256"),
)
_KNOWN = (
    sa.select(nodes.c.site, nodes.c.public_key, photos.c.held, photos.c.size)
    .outerjoin(photos, _named)
    .where(nodes.c.node == sa.bindparam("of_node"))
    .order_by(photos.c.held)
)


def sender(engine: sa.Engine, sha256: str, node: str, signature: str) -> Sender:
    """Who signed for this photo; raises Rejected.

    A node that moved to another site has its photos named at both: the one that lacks it comes first.
    """
    asked = {"of_sha256": sha256, "of_node": node.replace("\0", "")}
    with engine.connect() as connection:
        known = connection.execute(_KNOWN, asked).all()
    if not known:
        raise Rejected.unknown_node("*", node)
    message = photo_message(node, sha256)
    signed = [row for row in known if verify(row.public_key, message, signature)]
    if not signed:
        raise Rejected.bad_signature(f"photo {sha256} of {node}")
    for row in signed:
        if row.held is not None:
            return Sender(site=row.site, node=node, held=row.held, size=row.size)
    raise Rejected.photo_not_wanted(sha256, node)


def keep(store: Photos, sha256: str, data: bytes) -> bool:
    """Makes the photo durable; returns whether it was new. Raises Rejected."""
    if hashlib.sha256(data).hexdigest() != sha256:
        raise Rejected.wrong_photo(f"the SHA-256 of the body is not {sha256}")
    if media_type(data) is None:
        raise Rejected.wrong_photo("the body begins like no JPEG, PNG or WebP image")
    return store.keep(sha256, data)


def found(engine: sa.Engine, store: Photos, sha256: str) -> bytes | None:
    """The photo's bytes; None when it was never here, or the disk lost it: then it is wanted again."""
    data = store.whole(sha256)
    if data is None:
        _want_again(engine, store, sha256)
    return data


def _want_again(engine: sa.Engine, store: Photos, sha256: str) -> None:
    """Marks a photo that is marked as held, but is not, so that the next receipt asks for it."""
    owner = sa.and_(nodes.c.site == photos.c.site, nodes.c.node == photos.c.node)  # the key begins with it
    marked = (photos.c.sha256 == sha256, photos.c.held.is_(True))
    query = sa.select(photos.c.site, photos.c.node).join(nodes, owner).where(*marked)
    with engine.connect() as connection:
        if connection.execute(query).first() is None:
            return
    with writing(engine) as connection:
        lost = connection.execute(query.with_for_update(of=photos)).all()
        if store.whole(sha256) is None:  # nobody handed it over meanwhile
            for site, node in lost:
                mine = (photos.c.site == site, photos.c.node == node)
                connection.execute(sa.update(photos).where(*mine, *marked).values(held=False))
