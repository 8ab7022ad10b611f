"""The tables of the first version."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

plain = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")
count = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    """An empty database gets all of them."""
    op.create_table(
        "bundles",
        sa.Column("site", plain, nullable=False),
        sa.Column("node", plain, nullable=False),
        sa.Column("number", count, autoincrement=False, nullable=False),
        sa.Column("sha256", plain, nullable=False),
        sa.Column("first_seq", count, nullable=False),
        sa.Column("last_seq", count, nullable=False),
        sa.Column("imported_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("site", "node", "number"),
    )
    op.create_table(
        "checkpoints",
        sa.Column("site", plain, nullable=False),
        sa.Column("node", plain, nullable=False),
        sa.Column("size", count, autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary, nullable=False),
        sa.Column("note", plain, nullable=False),
        sa.Column("frontier", sa.LargeBinary, nullable=False),
        sa.Column("received_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("site", "node", "size"),
    )
    op.create_table(
        "directives",
        sa.Column("site", plain, nullable=False),
        sa.Column("node", plain, nullable=False),
        sa.Column("number", count, autoincrement=False, nullable=False),
        sa.Column("subject", plain, nullable=False),
        sa.Column("version", plain, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("sha256", plain, nullable=False),
        sa.Column("signature", plain, nullable=False),
        sa.Column("public_key", plain, nullable=False),
        sa.Column("given_at", moment, nullable=False),
        sa.Column("outcome", plain, nullable=True),
        sa.Column("why", plain, nullable=True),
        sa.Column("answered_seq", count, nullable=True),
        sa.PrimaryKeyConstraint("site", "node", "number"),
    )
    op.create_table(
        "inspections",
        sa.Column("site", plain, nullable=False),
        sa.Column("node", plain, nullable=False),
        sa.Column("inspection", plain, nullable=False),
        sa.Column("plate", plain, nullable=True),
        sa.Column("plate_tail", plain, nullable=True),
        sa.Column("hpzl", plain, nullable=True),
        sa.Column("vin", plain, nullable=True),
        sa.Column("vin_last6", plain, nullable=True),
        sa.Column("business", plain, nullable=True),
        sa.Column("lane", plain, nullable=True),
        sa.Column("verdict", plain, nullable=True),
        sa.Column("failed", json, nullable=False),
        sa.Column("ordered_at", moment, nullable=False),
        sa.Column("ended_at", moment, nullable=True),
        sa.Column("first_seq", count, nullable=False),
        sa.Column("last_seq", count, nullable=False),
        sa.Column("steps", plain, nullable=False),
        sa.Column("records", count, nullable=False),
        sa.Column("photos", count, nullable=False),
        sa.Column("simulated", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("site", "node", "inspection"),
    )
    op.create_index("inspections_by_id", "inspections", ["inspection"], unique=False)
    op.create_index("inspections_by_plate", "inspections", ["plate"], unique=False)
    op.create_index("inspections_by_plate_tail", "inspections", ["plate_tail"], unique=False)
    op.create_index(
        "inspections_by_time", "inspections", ["ordered_at", "site", "node", "inspection"], unique=False
    )
    op.create_index("inspections_by_vin", "inspections", ["vin"], unique=False)
    op.create_index("inspections_by_vin_last6", "inspections", ["vin_last6"], unique=False)
    op.create_table(
        "node_keys",
        sa.Column("site", plain, nullable=False),
        sa.Column("node", plain, nullable=False),
        sa.Column("public_key", plain, nullable=False),
        sa.Column("enrolled_at", moment, nullable=False),
        sa.Column("ended_at", moment, nullable=True),
        sa.PrimaryKeyConstraint("site", "node", "public_key"),
    )
    op.create_table(
        "nodes",
        sa.Column("site", plain, nullable=False),
        sa.Column("node", plain, nullable=False),
        sa.Column("public_key", plain, nullable=False),
        sa.Column("allow_simulated", sa.Boolean, nullable=False),
        sa.Column("through_seq", count, nullable=False),
        sa.Column("head", sa.LargeBinary, nullable=False),
        sa.Column("records", count, nullable=False),
        sa.Column("runs", count, nullable=False),
        sa.Column("unread", count, nullable=False),
        sa.Column("withheld", count, nullable=False),
        sa.Column("received_at", moment, nullable=True),
        sa.PrimaryKeyConstraint("site", "node"),
    )
    op.create_index("nodes_by_name", "nodes", ["node"], unique=False)
    op.create_table(
        "photos",
        sa.Column("site", plain, nullable=False),
        sa.Column("node", plain, nullable=False),
        sa.Column("sha256", plain, nullable=False),
        sa.Column("inspection", plain, nullable=True),
        sa.Column("shot", plain, nullable=False),
        sa.Column("seq", count, nullable=False),
        sa.Column("held", sa.Boolean, nullable=False),
        sa.Column("size", count, nullable=True),
        sa.PrimaryKeyConstraint("site", "node", "sha256"),
    )
    op.create_index("photos_wanted", "photos", ["site", "node", "held", "seq"], unique=False)
    op.create_table(
        "runs",
        sa.Column("site", plain, nullable=False),
        sa.Column("node", plain, nullable=False),
        sa.Column("last_seq", count, autoincrement=False, nullable=False),
        sa.Column("first_seq", count, nullable=False),
        sa.Column("prev_head", sa.LargeBinary, nullable=False),
        sa.Column("head", sa.LargeBinary, nullable=False),
        sa.Column("public_key", plain, nullable=False),
        sa.Column("signature", plain, nullable=False),
        sa.Column("refused", count, nullable=False),
        sa.Column("received_at", moment, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("site", "node", "last_seq"),
    )
    op.create_table(
        "subtrees",
        sa.Column("site", plain, nullable=False),
        sa.Column("node", plain, nullable=False),
        sa.Column("level", count, autoincrement=False, nullable=False),
        sa.Column("index", count, autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("site", "node", "level", "index"),
    )
    op.create_table(
        "unread",
        sa.Column("site", plain, nullable=False),
        sa.Column("node", plain, nullable=False),
        sa.Column("seq", count, autoincrement=False, nullable=False),
        sa.Column("why", plain, nullable=False),
        sa.PrimaryKeyConstraint("site", "node", "seq"),
    )
