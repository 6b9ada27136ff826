#!/usr/bin/env bash
# Removes all that `make up` made: daemon, nodes, volumes, bridge, configuration, var/ and .venv. Images stay.
# Asks first; with YES=1 it does not.
source "$(dirname "$0")/common.sh"

if [ ! -e nexus.toml ] && [ ! -e var ] && [ ! -e .venv ]; then
  say "There is nothing to remove"
  exit 0
fi
if [ "${YES:-}" != 1 ]; then
  [ -t 0 ] || fail "make clean removes nodes with their data, nexus.toml, var and .venv: without a terminal, say YES=1"
  read -r -p "Remove all nodes with their data, nexus.toml, var and .venv? [y/N] " answer
  case "$answer" in
    [yY] | [yY][eE][sS]) ;;
    *) fail "nothing was removed" ;;
  esac
fi

if [ -e nexus.toml ]; then
  # What runs in the engine is found by the instance's name, which only the configuration has.
  tools/ensure_venv.sh
  .venv/bin/python -m tools.daemon stop
  .venv/bin/python -m tools.remove_instance ||
    fail "nodes were not removed, so the configuration stays: mend what is told above, and run it again"
fi

if [ -e var/dockerd.pid ]; then
  pid=$(cat var/dockerd.pid)
  if [ "$(cat "/proc/$pid/comm" 2>/dev/null)" != dockerd ]; then
    note "the Docker engine that make up started has ended already"
  elif [ -n "$(docker ps --quiet --all)" ]; then
    note "the Docker engine that make up started keeps running (process $pid): other containers use it"
  else
    say "Stopping the Docker engine that make up started"
    kill "$pid"
    for _ in $(seq 100); do
      kill -0 "$pid" 2>/dev/null || break
      sleep 0.2
    done
    ! kill -0 "$pid" 2>/dev/null || note "it is still stopping (process $pid)"
  fi
fi

say "Removing nexus.toml, var and .venv"
rm -rf -- nexus.toml var .venv ./*.egg-info twisted/plugins/dropin.cache
find nexus tools twisted -type d -name __pycache__ -prune -exec rm -rf {} +
