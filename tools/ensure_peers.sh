#!/usr/bin/env bash
# Makes sure that the proxies that `make conformance` and `make bench` compare Nexus with are there: HAProxy, nginx and
# Caddy, from Debian.
source "$(dirname "$0")/common.sh"

packages=()
command -v haproxy >/dev/null || packages+=(haproxy)
command -v nginx >/dev/null || packages+=(nginx)
command -v caddy >/dev/null || packages+=(caddy)
[ ${#packages[@]} -gt 0 ] || exit 0
# Debian starts servers when it installs them; these are only to be there (invoke-rc.d(8)).
policy=/usr/sbin/policy-rc.d
if is_root && [ ! -e $policy ]; then
  trap 'rm -f $policy' EXIT
  printf '%s\n' '#!/bin/sh' 'exit 101' >$policy
  chmod 755 $policy
fi
ensure_packages "${packages[@]}"
