"""The other proxies, each configured as its own documentation advises for speed; one worker, no access log.

None of them adds fields to what it forwards beyond what it cannot be kept from, checks who may pass, or counts: they
do less than Nexus does.
"""

from __future__ import annotations

import sys
from typing import Final

from benchmarks.edge.processes import ROOT, Process
from benchmarks.edge.proxies import DOMAIN, Proxy, network_address, network_host

NGINX_POOLS_MAX: Final = 1000
"""nginx looks a group of servers that a variable names up by going through all of them: many are reached by address
instead, without connections that are kept."""

_HAPROXY: Final = """
global
    nbthread 1
    maxconn {connections}
defaults
    mode http
    timeout connect 3s
    timeout client 120s
    timeout server 120s
    timeout http-keep-alive 120s
    http-reuse always
{splice}
frontend plain
    bind 127.0.0.1:{ports.plain} backlog 4096
    default_backend plain
frontend jwt
    bind 127.0.0.1:{ports.jwt} backlog 4096
    http-request deny deny_status 401 unless {{ http_auth_bearer -m found }}
    http-request set-var(txn.token) http_auth_bearer
    http-request deny deny_status 401 unless {{ var(txn.token),jwt_header_query('$.alg') -m str HS256 }}
    http-request deny deny_status 401 unless {{ var(txn.token),jwt_verify("HS256","{jwt_secret}") -m int 1 }}
    http-request deny deny_status 401 unless {{ var(txn.token),jwt_payload_query('$.aud') -m str {domain} }}
    http-request set-var(txn.exp) var(txn.token),jwt_payload_query('$.exp','int')
    http-request set-var(txn.now) date()
    http-request deny deny_status 401 if {{ var(txn.exp),sub(txn.now) -m int le 0 }}
    default_backend plain
frontend sink
    bind 127.0.0.1:{ports.sink} backlog 4096
    default_backend sink
frontend networks
    bind 127.0.0.1:{ports.networks} backlog 4096
    http-request set-dst req.hdr(host),map_str_ip({map})
    http-request set-dst-port int({backend.everywhere_port})
    default_backend networks
backend plain
    server nginx 127.0.0.1:{backend.port}
backend sink
    server sink 127.0.0.1:{backend.sink_port}
backend networks
    server node 0.0.0.0:0 pool-low-conn 4000
"""

_NGINX: Final = """
user {user};
worker_processes 1;
daemon off;
pid {directory}/nginx.pid;
error_log {directory}/error.log warn;
worker_rlimit_nofile {descriptors};
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    keepalive_timeout 120s;
    keepalive_requests 1000000000;
    client_max_body_size 0;
    client_body_buffer_size 64k;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    proxy_buffering off;
    proxy_request_buffering off;
    proxy_buffer_size 64k;
    proxy_buffers 8 64k;
    proxy_busy_buffers_size 64k;
    upstream plain {{ server 127.0.0.1:{backend.port}; keepalive 256; keepalive_requests 1000000000; }}
    upstream sink {{ server 127.0.0.1:{backend.sink_port}; keepalive 256; keepalive_requests 1000000000; }}
    server {{ listen 127.0.0.1:{ports.plain} backlog=4096; location / {{ proxy_pass http://plain; }} }}
    server {{ listen 127.0.0.1:{ports.sink} backlog=4096; location / {{ proxy_pass http://sink; }} }}
    map_hash_max_size 262144;
    map_hash_bucket_size 128;
    map $host $node {{ include {directory}/map; }}
    include {directory}/pools;
    server {{ listen 127.0.0.1:{ports.networks} backlog=4096; location / {{ proxy_pass http://$node; }} }}
}}
"""

_CADDY: Final = """
{{
    admin off
    auto_https off
    log {{
        output discard
    }}
}}
(to) {{
    bind 127.0.0.1
    reverse_proxy 127.0.0.1:{{args.0}} {{
        transport http {{
            keepalive_idle_conns_per_host 256
        }}
    }}
}}
http://:{ports.plain} {{
    import to {backend.port}
}}
http://:{ports.sink} {{
    import to {backend.sink_port}
}}
http://:{ports.networks} {{
    bind 127.0.0.1
    map {{host}} {{node}} {{
        import {directory}/map
        default 127.0.0.1
    }}
    reverse_proxy {{node}}:{backend.everywhere_port}
}}
"""


class HAProxy(Proxy):
    """HAProxy, which copies bodies."""

    name = "HAProxy"
    programs = ("haproxy",)
    splice = ""

    def start(self) -> Process:
        """See `Proxy.start`."""
        setting = self.setting
        lines = (f"{network_host(number)} {network_address(number)}\n" for number in range(setting.networks))
        config = _HAPROXY.format(
            ports=self.ports,
            backend=setting.backend,
            # Two descriptors for each, and as many pipes as a quarter of them need.
            connections=setting.descriptors * 2 // 5 - 100,
            splice=self.splice,
            domain=DOMAIN,
            jwt_secret=setting.jwt_secret,
            map=self.write("map", "".join(lines)),
        )
        return self.run(["haproxy", "-db", "-f", str(self.write("haproxy.cfg", config))])


class SplicingHAProxy(HAProxy):
    """HAProxy, which lets the kernel move bodies. (`option splice-auto` does not, for what is measured here.)"""

    name = "HAProxy splice"
    splice = "    option splice-request\n    option splice-response"


class Nginx(Proxy):
    """nginx, unbuffered both ways."""

    name = "nginx"
    programs = ("nginx",)

    def start(self) -> Process:
        """See `Proxy.start`."""
        setting, numbers = self.setting, range(self.setting.networks)
        port = setting.backend.everywhere_port
        if setting.networks <= NGINX_POOLS_MAX:
            self.write("map", "".join(f"{network_host(number)} node{number};\n" for number in numbers))
            pool = "upstream node%d { server %s:%d; keepalive 64; keepalive_requests 1000000000; }\n"
            self.write("pools", "".join(pool % (number, network_address(number), port) for number in numbers))
        else:
            self.write("map", "".join(f"{network_host(each)} {network_address(each)}:{port};\n" for each in numbers))
            self.write("pools", "")
        config = _NGINX.format(
            ports=self.ports,
            backend=setting.backend,
            user=setting.user,
            directory=self.directory,
            descriptors=setting.descriptors,
            connections=setting.descriptors - 100,
        )
        return self.run(["nginx", "-c", str(self.write("nginx.conf", config))])


class Caddy(Proxy):
    """Caddy, with Go's scheduler on one thread."""

    name = "Caddy"
    programs = ("caddy",)

    def start(self) -> Process:
        """See `Proxy.start`."""
        lines = (f"{network_host(number)} {network_address(number)}\n" for number in range(self.setting.networks))
        self.write("map", "".join(lines))
        config = _CADDY.format(ports=self.ports, backend=self.setting.backend, directory=self.directory)
        command = ["caddy", "run", "--adapter", "caddyfile", "--config", str(self.write("Caddyfile", config))]
        home = str(self.directory)
        return self.run(command, GOMAXPROCS="1", HOME=home, XDG_CONFIG_HOME=home, XDG_DATA_HOME=home)


class TwistedWebProxy(Proxy):
    """`twisted.web.proxy.ReverseProxyResource` on the epoll reactor: what Python people would write first."""

    name = "twisted.web.proxy"
    programs = ()

    def start(self) -> Process:
        """See `Proxy.start`."""
        backend = self.setting.backend
        pairs = [(self.ports.plain, backend.port), (self.ports.sink, backend.sink_port)]
        arguments = [f"{port}:{behind}" for port, behind in pairs]
        command = [sys.executable, "-m", "benchmarks.edge.twisted_web_proxy", *arguments]
        return self.run(command, PYTHONPATH=str(ROOT))
