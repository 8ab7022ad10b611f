"""One hypothesis profile for everyone: a busy machine is no failure, a read-only checkout neither."""

from hypothesis import settings

settings.register_profile("unhurried", deadline=None, database=None)
settings.load_profile("unhurried")
