#!/usr/bin/env bash
# Chromium for the page tests: installs Debian's package when it can, otherwise says what to install.
set -euo pipefail
command -v chromium >/dev/null && exit 0
say() { echo "The page tests need Chromium. Install it: apt-get install chromium fonts-noto-cjk   (as root)" >&2; exit 1; }
command -v apt-get >/dev/null || say
if [ "$(id -u)" = 0 ]; then run=(); elif sudo -n true 2>/dev/null; then run=(sudo -n); else say; fi
echo "browser: installing Chromium from the system's packages"
export DEBIAN_FRONTEND=noninteractive
"${run[@]}" apt-get update -qq >/dev/null || say
"${run[@]}" apt-get install -y -qq --no-install-recommends chromium fonts-noto-cjk >/dev/null || say
