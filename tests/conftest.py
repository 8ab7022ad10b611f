"""One hypothesis profile for everyone: a busy machine is no failure, a read-only checkout neither."""

import sys

from hypothesis import settings

settings.register_profile("unhurried", deadline=None, database=None)
# `make mutants`: the same few examples for every mutant, so that none survives by luck
settings.register_profile("mutants", deadline=None, database=None, derandomize=True, max_examples=25)
settings.load_profile("unhurried")
settings.register_profile("long", deadline=None, database=None, max_examples=3000, stateful_step_count=60)


def pytest_sessionstart() -> None:
    """Empties what lanes and tests keep: a mutant runs in a fork of a process that has run all tests."""
    for name, module in list(sys.modules.items()):
        if name.startswith(("lanes.", "tests.")):
            for kept in list(vars(module).values()):
                if hasattr(kept, "cache_clear"):
                    kept.cache_clear()
