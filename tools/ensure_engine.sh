#!/usr/bin/env bash
# Makes sure that a Docker engine answers: installs Debian's and starts it where there is none.
source "$(dirname "$0")/common.sh"

log=var/dockerd.log
answer_s=60
reason=var/engine.log

answers() { command -v docker >/dev/null && docker version --format '{{.Server.Version}}' >$reason 2>&1; }

wait_for_engine() {
  local deadline=$((SECONDS + answer_s)) pid=${1:-}
  until answers; do
    [ -z "$pid" ] || kill -0 "$pid" 2>/dev/null || return 1
    [ $SECONDS -lt $deadline ] || return 1
    sleep 0.2
  done
}

make_var
answers && exit 0
one_at_a_time
answers && exit 0

! grep -qi 'permission denied' $reason 2>/dev/null ||
  fail "the Docker engine is not for this user: run as root, or join its group (usermod -aG docker $(id -un))"
[ -z "${DOCKER_HOST:-}" ] || fail "no Docker engine answers at DOCKER_HOST=$DOCKER_HOST: start it, or unset DOCKER_HOST"
[ "$(uname -s)" = Linux ] || fail "no Docker engine answers: start Docker Desktop, or another one with a local unix socket"
is_root || fail "no Docker engine answers: start it (systemctl start docker), or as root: apt-get install docker.io"

ensure_packages docker.io
# Where Debian has the command in a package of its own.
command -v docker >/dev/null || ensure_packages docker-cli
# Debian's package starts the engine where an init system runs.
if [ -d /run/systemd/system ]; then
  say "Starting the Docker engine (systemctl start docker)"
  systemctl start docker >$log 2>&1 || fail_with_log $log "systemctl start docker failed: see journalctl -u docker"
  wait_for_engine || fail_with_log $reason "the Docker engine does not answer: see journalctl -u docker"
  exit 0
fi
answers && exit 0
command -v dockerd >/dev/null || fail "no Docker engine answers and there is no dockerd: apt-get install docker.io"
# An init system would have mounted the control groups, which dockerd needs.
if ! mountpoint -q /sys/fs/cgroup; then
  ensure_packages cgroupfs-mount
  cgroupfs-mount || fail "the control groups (/sys/fs/cgroup) could not be mounted: give this machine the right to, or run Docker elsewhere"
fi
say "Starting the Docker engine (dockerd, log in $log)"
# In a session of its own, so that it outlives this terminal; without the set-up's lock.
setsid nohup dockerd --live-restore >$log 2>&1 </dev/null 9>&- &
pid=$!
printf '%s\n' "$pid" >var/dockerd.pid
if ! wait_for_engine "$pid"; then
  kill "$pid" 2>/dev/null || true
  rm -f var/dockerd.pid
  fail_with_log $log "the Docker engine did not start: its last words are above, all of them in $log"
fi
