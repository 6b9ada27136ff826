#!/usr/bin/env bash
# Makes sure that what `make bench` compares and draws with is there: other proxies and a load generator from Debian, and
# the plotting library in .venv, which must exist.
source "$(dirname "$0")/common.sh"

tools/ensure_peers.sh
packages=()
command -v wrk >/dev/null || packages+=(wrk)
{ command -v taskset && command -v setpriv; } >/dev/null || packages+=(util-linux)
[ ${#packages[@]} -eq 0 ] || ensure_packages "${packages[@]}"

.venv/bin/python -c 'import matplotlib' 2>/dev/null && exit 0
one_at_a_time
say "Installing the plotting library into .venv"
.venv/bin/python -m pip install --disable-pip-version-check --no-input --constraint requirements-dev.lock \
  --config-settings editable_mode=compat --editable '.[dev,bench]' >var/pip.log 2>&1 ||
  fail_with_log var/pip.log "pip could not install the plotting library; all is in var/pip.log"
