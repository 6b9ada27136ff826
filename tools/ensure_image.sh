#!/usr/bin/env bash
# Makes sure that the engine has the node image: pulls it, or builds it from images/kubo where no registry answers.
# Usage: tools/ensure_image.sh [--build]   (--build: build even where the image is there, and do not pull)
source "$(dirname "$0")/common.sh"

image=ipfs/kubo:v0.43.0
registry_answer_s=20
pull_s=600
source_dir=$PWD/images/kubo
work=$(mktemp -d "${TMPDIR:-/tmp}/nexus-image.XXXXXX")
pull_pid=
trap '[ -z "$pull_pid" ] || kill "$pull_pid" 2>/dev/null; rm -rf -- "$work"' EXIT
trap 'exit 130' INT TERM

# Pull, giving up early where no registry answers: docker prints "Pulling from" as soon as one does.
pull() {
  local started=$SECONDS limit=$registry_answer_s
  docker pull "$image" >"$work/pull.log" 2>&1 &
  pull_pid=$!
  while kill -0 "$pull_pid" 2>/dev/null; do
    ! grep -q 'Pulling from' "$work/pull.log" || limit=$pull_s
    if [ $((SECONDS - started)) -ge $limit ]; then
      kill "$pull_pid" 2>/dev/null || true
      echo "no answer within $limit s" >>"$work/pull.log"
      break
    fi
    sleep 0.2
  done
  local status=0
  wait "$pull_pid" || status=$?
  pull_pid=
  return "$status"
}

# Go's own toolchain line says what the module needs; an older go with GOTOOLCHAIN=auto (1.21 on) fetches it by itself.
check_go() {
  local needed have remedy
  needed=$(awk '$1 == "go" {print $2; exit}' "$source_dir/go.mod")
  remedy="install Go $needed or later (https://go.dev/dl/), or load the image $image into the engine (docker load)"
  command -v go >/dev/null || fail "no image registry answers, and building the node image needs Go: $remedy"
  have=$(cd / && go env GOVERSION) && have=${have#go}
  have=${have%%[-+ ]*}
  if [ "$(printf '%s\n' "$needed" "$have" | sort -V | head -n 1)" != "$needed" ]; then
    case "$(cd / && go env GOTOOLCHAIN 2>/dev/null)" in
      '' | local) fail "building the node image needs a newer Go than $have: $remedy" ;;
    esac
  fi
}

# The program FILE and every shared library that it loads, under the same paths in $work/context/rootfs.
add_with_libraries() {
  local library
  ldd "$1" | grep -o '/[^ ]*' | while read -r library; do
    install -D -m 0755 -- "$(readlink -f "$library")" "$work/context/rootfs$library"
  done
  install -D -m 0755 -- "$1" "$work/context/rootfs$2"
}

build() {
  check_go
  ensure_packages busybox-static tini gosu ca-certificates coreutils
  local root=$work/context/rootfs module applet
  mkdir -p "$root"/{bin,sbin,etc/ssl/certs,usr/local/bin,root,data}
  mkdir -p "$work/context/owned"/{data/ipfs,ipfs,ipns,mfs,container-init.d}
  install -d -m 1777 "$root/tmp"

  say "Building Kubo from its Go module (2 minutes the first time)"
  (cd "$source_dir" && CGO_ENABLED=0 GOFLAGS= go build -mod=readonly -buildvcs=false -trimpath -ldflags='-s -w' \
    -o "$root/usr/local/bin/ipfs" github.com/ipfs/kubo/cmd/ipfs) >"$work/go.log" 2>&1 ||
    fail_with_log "$work/go.log" "go build of Kubo failed; its last lines are above"
  module=$(cd "$source_dir" && GOFLAGS= go list -mod=readonly -m -f '{{.Dir}}' github.com/ipfs/kubo)
  install -m 0755 "$module/bin/container_daemon" "$root/usr/local/bin/start_ipfs"
  install -m 0755 "$module/bin/container_init_run" "$root/usr/local/bin/container_init_run"

  install -m 0755 /usr/bin/tini-static "$root/sbin/tini"
  install -m 0755 /usr/sbin/gosu "$root/sbin/gosu"
  install -m 0755 /bin/busybox "$root/bin/busybox"
  /bin/busybox --list | while read -r applet; do
    [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
  done
  # Debian's busybox has no `install`, and the entrypoint copies a swarm key file with it.
  add_with_libraries /usr/bin/install /bin/install
  install -m 0644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
  printf '%s\n' 'root:x:0:0:root:/root:/bin/sh' 'ipfs:x:1000:100::/data/ipfs:/bin/sh' >"$root/etc/passwd"
  printf '%s\n' 'root:x:0:' 'users:x:100:ipfs' >"$root/etc/group"
  cp "$source_dir/Dockerfile" "$work/context/Dockerfile"

  say "Building the image $image"
  DOCKER_BUILDKIT=0 docker build --tag "$image" "$work/context" >"$work/build.log" 2>&1 ||
    fail_with_log "$work/build.log" "docker build of $image failed; its last lines are above"
}

command -v docker >/dev/null || fail "no docker command: install one (apt-get install docker.io)"
docker version >/dev/null 2>"$work/engine.log" || fail_with_log "$work/engine.log" "the Docker engine does not answer"
if [ "${1:-}" != --build ]; then
  ! docker image inspect "$image" >/dev/null 2>&1 || exit 0
  one_at_a_time
  ! docker image inspect "$image" >/dev/null 2>&1 || exit 0
  say "Pulling $image"
  if pull; then exit 0; fi
  note "not pulled: $(tail -n 1 "$work/pull.log" | tr -d '\r')"
fi
build
