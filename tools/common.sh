# What the shell scripts of tools/ share: to be sourced, not run.
# shellcheck shell=bash
set -euo pipefail

say() { printf '%s\n' "==> $*"; }
note() { printf '%s\n' "    $*"; }

# fail MESSAGE...: one clear line on stderr, and out.
fail() {
  printf '%s\n' "nexus: $*" >&2
  exit 1
}

# fail_with_log LOG MESSAGE...: the same, after the log's last lines; names the remedy where the disk is full.
fail_with_log() {
  local log=$1
  shift
  tail -n 15 -- "$log" | sed 's/^/    | /' >&2
  if grep -qi 'no space left on device' -- "$log"; then
    fail "$*: the disk is full; free some (df -h; docker system df; docker image prune) and run it again"
  fi
  fail "$*"
}

is_root() { [ "$(id -u)" -eq 0 ]; }

# ensure_packages LOG PACKAGE...: install Debian packages that are missing, or say which to install.
ensure_packages() {
  local log=$1 package missing=()
  shift
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null || fail "needs ${missing[*]}: install them with this system's package tool"
  is_root || fail "needs Debian packages: run as root: apt-get install -y --no-install-recommends ${missing[*]}"
  say "Installing Debian packages: ${missing[*]}"
  mkdir -p "$(dirname "$log")"
  export DEBIAN_FRONTEND=noninteractive
  # Package lists may be absent or old, so a failure is followed by an update and one more try.
  apt-get install -y --no-install-recommends "${missing[@]}" >"$log" 2>&1 </dev/null && return 0
  { apt-get update && apt-get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 </dev/null ||
    fail_with_log "$log" "apt-get could not install ${missing[*]}: install them by hand and run it again"
}
