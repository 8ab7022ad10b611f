"""How Alembic runs here: on the connection that ``schema`` hands over, inside its transaction."""

from alembic import context

from central_sync.registry.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite alters few things in place
)
with context.begin_transaction():
    context.run_migrations()
