"""Tables of the registry: made whole or by steps they are the same, and data stay where steps are taken."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from central_sync.registry import schema, tables
from central_sync.registry.accept import Policy, accept
from central_sync.registry.engines import DsnError, open_engine, writing
from central_sync.registry.feed import read
from central_sync.registry.search import find
from tests.central_parts import Lane, dsn, engine, enrolled, prepared_together
from tests.test_edge_faults import assert_refused

__all__ = ["dsn", "engine"]  # fixtures


@pytest.fixture
def old(dsn: str) -> sa.Engine:
    """A database of the first version."""
    made = open_engine(dsn)
    with writing(made) as connection:
        schema._upgrade(connection, "0001")
    return made


def differences(engine: sa.Engine) -> list[object]:
    with engine.connect() as connection:
        return list(compare_metadata(MigrationContext.configure(connection), tables.metadata))


def test_the_newest_step_is_the_one_that_is_stamped() -> None:
    assert ScriptDirectory(str(schema.MIGRATIONS)).get_heads() == [schema.HEAD]


def test_made_whole_the_tables_are_as_the_code_has_them(engine: sa.Engine) -> None:
    assert differences(engine) == []


def test_made_by_steps_they_are_the_same(old: sa.Engine) -> None:
    assert differences(old) != []
    schema.prepare(old)
    assert differences(old) == []
    with old.connect() as connection:
        assert schema.revision(connection) == schema.HEAD
    old.dispose()


def test_a_step_keeps_what_is_there(old: sa.Engine) -> None:
    lane = enrolled(old, Lane())
    lane.inspect("a1")
    accept(old, lane.batch(), Policy(allow_simulated=True))
    schema.prepare(old)
    assert [each["inspection"] for each in find(old)["inspections"]] == ["a1"]
    assert [run.last_seq for run in read(old, "", 10).runs] == [11]
    lane.inspect("a2")
    assert accept(old, lane.batch(12), Policy(allow_simulated=True)).stored == 11
    old.dispose()


def test_replicas_that_start_together_take_a_step_once(dsn: str, old: sa.Engine) -> None:
    assert prepared_together(dsn) == [] and differences(old) == []
    old.dispose()


def test_a_newer_database_and_one_without_a_stamp_are_left_alone(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.update(schema.stamp).values(version_num="9999"))
    with pytest.raises(DsnError, match="newer version of Chayan"):
        schema.prepare(engine)
    with engine.begin() as connection:
        schema.stamp.drop(connection)
    with pytest.raises(DsnError, match="name an empty database"):
        schema.prepare(engine)


def test_the_command_says_so_in_one_line(tmp_path: Path) -> None:
    dsn = f"sqlite:///{tmp_path / 'r.sqlite'}"
    made = open_engine(dsn)
    schema.prepare(made)
    with made.begin() as connection:
        connection.execute(sa.update(schema.stamp).values(version_num="9999"))
    made.dispose()
    assert_refused(("central", "--dsn", dsn, "--photos", str(tmp_path / "p")), "newer version", "9999")
