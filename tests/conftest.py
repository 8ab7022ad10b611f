"""One hypothesis profile for everyone: a busy machine is no failure, a read-only checkout neither."""

from hypothesis import settings

settings.register_profile("unhurried", deadline=None, database=None)
# `make mutants`: the same few examples for every mutant, so that none survives by luck
settings.register_profile("mutants", deadline=None, database=None, derandomize=True, max_examples=25)
settings.load_profile("unhurried")
