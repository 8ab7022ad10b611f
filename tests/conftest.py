"""One hypothesis profile for everyone: a busy machine is no failure, a read-only checkout neither."""

from hypothesis import settings

settings.register_profile("unhurried", deadline=None, database=None)
settings.load_profile("unhurried")
settings.register_profile("long", deadline=None, database=None, max_examples=3000, stateful_step_count=60)
