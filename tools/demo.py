"""The main job, done with the product's own commands: a private network, a file in through its API, out through its
gateway. Can be run again: what is there already is used.

Usage: python -m tools.demo
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import shlex
import subprocess
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from nexus.config.sections import TCPListen
from tools.checkout import ROOT, VAR, environment, fail, log_tail, note, read_config, run_nexus, say

NETWORK = "demo"
USER = "demo"
FILE_NAME = "hello.txt"
CONTENT = b"Hello from a private IPFS network.\n"
HTTP_TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Joining:
    """What a member needs."""

    key_path: str
    multiaddr: str


def ctl(environ: dict[str, str], *arguments: str, shown: bool = True) -> Any:
    """Call the control API by `nexus ctl`, showing the command; its answer."""
    if shown:
        note(f"$ nexus ctl {shlex.join(arguments)}")
    done = run_nexus("ctl", *arguments, environ=environ)
    if done.returncode != 0:
        note(log_tail())
        fail(f"{done.stderr.strip().removeprefix('nexus: ')} (the daemon's last log lines are above)")
    return json.loads(done.stdout)


def request(
    method: str, url: str, listen: TCPListen, body: bytes | None = None, headers: dict[str, str] | None = None
) -> bytes:
    """The answer's body to one request at the edge; the URL's host goes as Host, since not every resolver knows
    `*.localhost`."""
    parts = urlsplit(url)
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(listen.host, listen.host)
    connection = http.client.HTTPConnection(host, parts.port or 80, timeout=HTTP_TIMEOUT_S)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request(method, target, body, {"Host": parts.netloc, **(headers or {})})
        response = connection.getresponse()
        answer = response.read()
    except (OSError, http.client.HTTPException) as error:
        fail(f"{method} {url}: {error or type(error).__name__}")
    finally:
        connection.close()
    if response.status != 200:
        fail(f"{method} {url}: {response.status} {response.reason}: {answer.decode(errors='replace').strip()}")
    return answer


def multipart(name: str, content: bytes) -> tuple[bytes, str]:
    """A form with one file, and its content type."""
    boundary = secrets.token_hex(16)
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    return head.encode() + content + f"\r\n--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def main() -> None:
    """Do the main job and tell what was done."""
    environ = environment()
    config = read_config(environ)
    listen = config.edge.listen[0]

    say(f"The network `{NETWORK}`")
    known = ctl(environ, "ListNetworks", shown=False)["networks"]
    if not any(each["network"] == NETWORK for each in known):
        ctl(environ, "CreateNetwork", f"network={NETWORK}", f'users=["{USER}"]', "gateway_public=true")
    started = ctl(environ, "StartNetwork", f"network={NETWORK}")
    note(f"{started['state']}; its node is {started['peer_id']}")
    joining = Joining(key_path=_keep_key(started["swarm_key"]), multiaddr=started["swarm_multiaddrs"][0])

    say(f"An access token for user `{USER}`")
    note(f"$ nexus token --user {USER} --expires 1h")
    issued = run_nexus("token", "--user", USER, "--expires", "1h", environ=environ)
    if issued.returncode != 0:
        fail(issued.stderr.strip().removeprefix("nexus: "))

    say("A file in, through the API")
    url = f"{started['api_url']}/api/v0/add?cid-version=1"
    note(f"POST {url}")
    body, content_type = multipart(FILE_NAME, CONTENT)
    token = {"Authorization": f"Bearer {issued.stdout.strip()}"}
    added = json.loads(request("POST", url, listen, body, {**token, "Content-Type": content_type}))
    note(f"{len(CONTENT)} bytes became {added['Hash']}")

    say("The file out, through the gateway")
    file_url = f"{started['gateway_url']}/ipfs/{added['Hash']}"
    note(f"GET {file_url}")
    read = request("GET", file_url, listen)
    if read != CONTENT:
        fail(f"GET {file_url}: {read!r} came back, not what was added")
    note(f"came back as it was added: {read.decode().strip()}")

    say("The node, measured")
    (node, *_) = ctl(environ, "NetworkStats", f"network={NETWORK}")["nodes"]
    note(
        f"{node['state']} for {node['uptime_s']:.0f} s, CPU {node['cpu_percent']:.1f} %, "
        f"memory {node['memory_used_bytes'] / 1e6:.0f} of {node['memory_cap_bytes'] / 1e6:.0f} MB, "
        f"disk {node['disk_used_bytes'] / 1e6:.1f} of {node['disk_cap_bytes'] / 1e6:.0f} MB, "
        f"{node['peers_connected']} peers"
    )
    _tell_more(config.instance, started, file_url, joining)


def _keep_key(swarm_key: str) -> str:
    path = VAR / f"{NETWORK}.swarm.key"
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(swarm_key if swarm_key.endswith("\n") else f"{swarm_key}\n")
    return str(path)


def _tell_more(instance: str, started: dict[str, Any], file_url: str, joining: Joining) -> None:
    labels = [f"--filter=label=nexus.instance={instance}", f"--filter=label=nexus.network={NETWORK}"]
    listed = subprocess.run(
        ["docker", "ps", *labels, "--format={{.Names}}"], capture_output=True, text=True, check=False
    )
    container = listed.stdout.strip()
    print(f"""
Done: a private IPFS network runs in the container {container}, and Nexus serves it.

  API      {started["api_url"]}/api/v0/     (a token, POST)
  gateway  {file_url}
  status   {started["api_url"].replace(".api.", ".status.")}/

A member joins with a Kubo node of its own (`ipfs`, in a terminal of its own), the swarm key and one address:

  export IPFS_PATH=$(mktemp -d)
  ipfs init --profile=autoconf-off,randomports && cp {shlex.quote(joining.key_path)} $IPFS_PATH/swarm.key
  ipfs config --json AutoTLS.Enabled false && ipfs config Routing.Type dht
  ipfs config Addresses.API /ip4/127.0.0.1/tcp/0 && ipfs config Addresses.Gateway /ip4/127.0.0.1/tcp/0
  LIBP2P_FORCE_PNET=1 LIBP2P_TCP_MUX=false IPFS_TELEMETRY=off ipfs daemon &
  until [ -e $IPFS_PATH/api ]; do sleep 1; done      # it answers
  ipfs swarm connect {joining.multiaddr}
  ipfs cat {file_url.rpartition("/")[2]}

Three things to try next, in {ROOT}:

  1. Add a file of your own:
     curl -H "Authorization: Bearer $(.venv/bin/nexus token --user {USER} --expires 1h)" \\
       -F file=@README.md "{started["api_url"]}/api/v0/add?cid-version=1"
  2. Kill the node, and see it come back with the same data:
     docker kill {container}; sleep 3; curl {file_url}
  3. Look at all that can be asked, and at the network in full:
     .venv/bin/nexus ctl help; .venv/bin/nexus ctl NetworkDiagnostics network={NETWORK} --pretty

`make down` stops Nexus and leaves the node running; `make clean` removes everything.""")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        raise SystemExit(130) from None
