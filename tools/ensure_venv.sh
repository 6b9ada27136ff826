#!/usr/bin/env bash
# Makes .venv with this checkout installed in it (editable), unless it is there and newer than what it is made from.
source "$(dirname "$0")/common.sh"

stamp=.venv/.installed
lock=requirements-dev.lock

is_current() {
  # The stamp holds the path, since scripts in a virtual environment stop working when it is moved.
  [ -x .venv/bin/python ] && [ "$(cat $stamp 2>/dev/null)" = "$PWD" ] &&
    [ $stamp -nt setup.cfg ] && [ $stamp -nt pyproject.toml ] && [ $stamp -nt $lock ]
}

is_current && exit 0
one_at_a_time
is_current && exit 0

command -v python3 >/dev/null || ensure_packages python3
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  fail "needs Python 3.11 or later, and python3 is $(python3 -V 2>&1 | cut -d' ' -f2): install a later one"
python3 -c 'import ensurepip' 2>/dev/null || ensure_packages python3-venv

say "Installing Nexus into .venv"
if ! .venv/bin/python -c 'import pip' 2>/dev/null || [ "$(cat $stamp 2>/dev/null || echo "$PWD")" != "$PWD" ]; then
  python3 -m venv --clear .venv >var/venv.log 2>&1 || fail_with_log var/venv.log "python3 -m venv .venv failed"
fi
# twistd finds plugins by walking sys.path, so the editable install must put the checkout itself there.
.venv/bin/python -m pip install --disable-pip-version-check --no-input --constraint $lock \
  --config-settings editable_mode=compat --editable '.[dev]' >var/pip.log 2>&1 ||
  fail_with_log var/pip.log "pip could not install Nexus: the package index must be reachable (pip config list); all is in var/pip.log"
printf '%s\n' "$PWD" >$stamp
