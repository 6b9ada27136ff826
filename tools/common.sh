# What the shell scripts of tools/ share: to be sourced, not run.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '%s\n' "==> $*"; }
note() { printf '%s\n' "    $*"; }

# fail MESSAGE...: one clear line on stderr, and out.
fail() {
  printf '%s\n' "nexus: $*" >&2
  exit 1
}

# disk_is_full: whether less than 10 MiB are left where the set-up writes.
disk_is_full() {
  df -Pk . .venv var "${TMPDIR:-/tmp}" 2>/dev/null | awk 'NR > 1 && $4 < 10240 { full = 1 } END { exit !full }'
}

# fail_with_log LOG MESSAGE...: the same, after the log's last lines; names the remedy where the disk is full.
fail_with_log() {
  local log=$1
  shift
  tail -n 15 -- "$log" | sed 's/^/    | /' >&2
  # pip and venv do not always say why they failed.
  if grep -qi 'no space left on device' -- "$log" || disk_is_full; then
    fail "$*: the disk is full; free some (df -h; docker system df; docker image prune) and run it again"
  fi
  fail "$*"
}

is_root() { [ "$(id -u)" -eq 0 ]; }

# make_var: the checkout's directory for data and logs, closed to others.
make_var() {
  [ -d var ] || install -d -m 0700 var || fail "cannot make $PWD/var: make this directory writable"
}

# one_at_a_time: wait for other set-ups of this checkout. The lock (descriptor 9) ends with the script; what outlives the
# script must be started with 9>&-.
one_at_a_time() {
  make_var
  exec 9>var/setup.lock
  if ! flock -n 9; then
    note "waiting for another set-up of this checkout"
    flock 9
  fi
}

# ensure_packages PACKAGE...: install Debian packages that are missing, or say which to install.
ensure_packages() {
  local package missing=() log=var/apt.log
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null || fail "install with this system's package tool what Debian calls ${missing[*]}"
  is_root || fail "Debian packages are missing: run as root: apt-get install -y --no-install-recommends ${missing[*]}"
  say "Installing Debian packages: ${missing[*]}"
  make_var
  export DEBIAN_FRONTEND=noninteractive
  # Package lists may be absent or old, so a failure is followed by an update and one more try.
  apt-get install -y --no-install-recommends "${missing[@]}" >"$log" 2>&1 </dev/null && return 0
  { apt-get update && apt-get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 </dev/null ||
    fail_with_log "$log" "apt-get could not install ${missing[*]}: install them by hand and run it again"
}
