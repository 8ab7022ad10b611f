"""The tables of a database as this version needs them: made whole in an empty one, else brought up to date.

Each step is a revision of Alembic in ``migrations/versions``. A step only adds (tables, indexes, columns that
may be empty), so that replicas of the version before go on beside it; what is needless goes a version later.
"""

from pathlib import Path

import sqlalchemy as sa

from central_sync.registry.engines import DsnError, writing
from central_sync.registry.tables import metadata

HEAD = "0002"  # the newest step
MIGRATIONS = Path(__file__).parent / "migrations"
MADE_BY_ANOTHER = (sa.exc.ProgrammingError, sa.exc.IntegrityError, sa.exc.OperationalError)
stamp = sa.Table("alembic_version", sa.MetaData(), sa.Column("version_num", sa.String(32), primary_key=True))


def prepare(engine: sa.Engine) -> None:
    """Makes the tables, or takes the steps that are missing; raises DsnError for a foreign database."""
    try:
        _prepare(engine)
    except MADE_BY_ANOTHER:
        _prepare(engine)


def revision(connection: sa.Connection) -> str | None:
    """The step at which a database stands; None for an empty one. Raises DsnError for a foreign one."""
    there = sa.inspect(connection).get_table_names()
    if stamp.name in there:
        return connection.execute(sa.select(stamp.c.version_num)).scalar()
    if set(there) & set(metadata.tables):
        raise DsnError(
            "the database holds tables of an unreleased version, from which no way leads up: name an empty "
            "database; nodes send again whatever it does not hold"
        )
    return None


def _prepare(engine: sa.Engine) -> None:
    with writing(engine) as connection:
        at = revision(connection)
        if at is None:
            metadata.create_all(connection)
            stamp.create(connection)
            connection.execute(sa.insert(stamp).values(version_num=HEAD))
        elif at != HEAD:
            connection.execute(sa.select(stamp).with_for_update())  # of two replicas the second waits here
            _upgrade(connection)


def _upgrade(connection: sa.Connection, to: str = "head") -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, to)
    except CommandError as trouble:
        raise DsnError(
            f"the database is of a newer version of Chayan than this one ({trouble}): update Chayan here too"
        ) from trouble
