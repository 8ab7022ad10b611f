"""python -m benchmarks [NAME] [--json …]: lists the benchmarks, or runs one."""

import importlib
import pkgutil
import sys
from pathlib import Path


def names() -> list[str]:
    """Every module of this folder; packages are no benchmarks."""
    found = pkgutil.iter_modules([str(Path(__file__).parent)])
    return sorted(module.name for module in found if not module.ispkg and module.name != "__main__")


def main(arguments: list[str]) -> int:
    """Runs the benchmark named first with the rest as its arguments; without a name, lists them."""
    if not arguments or arguments[0].startswith("-"):
        sys.stdout.write("".join(f"{name}\n" for name in names()))
        return 0
    name, *rest = arguments
    if name not in names():
        sys.stderr.write(f"no benchmark {name!r}; there are: {', '.join(names())}\n")
        return 2
    status: int = importlib.import_module(f"benchmarks.{name}").main(rest)
    return status


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
