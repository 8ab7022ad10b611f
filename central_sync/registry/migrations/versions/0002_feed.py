"""The feed of changes."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

plain = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")
count = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Empty: the first who reads the feed puts into it what is held."""
    op.create_table(
        "feed",
        sa.Column("position", count, autoincrement=False, nullable=False),
        sa.Column("site", plain, nullable=False),
        sa.Column("node", plain, nullable=False),
        sa.Column("last_seq", count, nullable=False),
        sa.Column("chain", sa.LargeBinary, nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("position"),
    )
    op.create_index("feed_by_time", "feed", ["published_at"])
    op.create_table(
        "feed_head",
        sa.Column("one", count, autoincrement=False, nullable=False),
        sa.Column("position", count, nullable=False),
        sa.Column("chain", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("one"),
    )
    op.create_table(
        "published",
        sa.Column("site", plain, nullable=False),
        sa.Column("node", plain, nullable=False),
        sa.Column("through_seq", count, nullable=False),
        sa.PrimaryKeyConstraint("site", "node"),
    )
