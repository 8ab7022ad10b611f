"""One hypothesis profile for everyone: a busy machine is no failure, a read-only checkout neither."""

import sys

import pytest
from hypothesis import settings

settings.register_profile("unhurried", deadline=None, database=None)
# `make mutants`: the same few examples for every mutant, so that none survives by luck
settings.register_profile("mutants", deadline=None, database=None, derandomize=True, max_examples=25)
settings.load_profile("unhurried")
settings.register_profile("long", deadline=None, database=None, max_examples=3000, stateful_step_count=60)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Under mutation no test asks what an earlier one left in a cache: the code itself must answer."""
    if item.config.getoption("--hypothesis-profile") == "mutants":
        for name, module in list(sys.modules.items()):
            if name.startswith("lanes."):
                for kept in vars(module).values():
                    if hasattr(kept, "cache_clear"):
                        kept.cache_clear()
