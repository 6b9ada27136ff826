"""What the engine is asked for: our values as the JSON bodies of its API (Docker Engine API 1.41). Pure."""

from __future__ import annotations

import ipaddress
from typing import Any, Final

from nexus.container import BridgeSpec, Caps, ContainerSpec, HealthCheck

ICC_OPTION: Final = "com.docker.network.bridge.enable_icc"
INTERFACE_OPTION: Final = "com.docker.network.bridge.name"


def caps_body(caps: Caps) -> dict[str, Any]:
    """The cgroup caps, for create and update alike. Memory and swap together are capped at the memory: no swap."""
    return {
        "NanoCpus": caps.nano_cpus,
        "Memory": caps.memory_bytes,
        "MemorySwap": caps.memory_bytes,
        "PidsLimit": caps.pids,
    }


def _health_check_body(check: HealthCheck) -> dict[str, Any]:
    return {
        "Test": ["CMD", *check.command],
        "Interval": _nanoseconds(check.interval_s),
        "Timeout": _nanoseconds(check.timeout_s),
        "StartPeriod": _nanoseconds(check.start_period_s),
        "Retries": check.retries,
    }


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 10**9)


def container_body(spec: ContainerSpec) -> dict[str, Any]:
    """The body of `POST /containers/create`."""
    bindings: dict[str, list[dict[str, str]]] = {}
    for port in spec.ports:
        bindings.setdefault(f"{port.container_port}/tcp", []).append(
            {"HostIp": port.host_ip, "HostPort": str(port.host_port)}
        )
    body: dict[str, Any] = {
        "Image": spec.image,
        "Cmd": list(spec.command),
        "Env": [f"{name}={value}" for name, value in spec.environment.items()],
        "Labels": dict(spec.labels),
        "User": spec.user,
        "StopTimeout": spec.stop_grace_s,
        "ExposedPorts": {port: {} for port in bindings},
        "HostConfig": {
            **caps_body(spec.caps),
            "Binds": [f"{volume}:{path}:rw" for volume, path in spec.volumes.items()],
            "PortBindings": bindings,
            "CapDrop": ["ALL"],
            "CapAdd": list(spec.capabilities),
            "SecurityOpt": ["no-new-privileges"],
            "RestartPolicy": {"Name": spec.restart_policy},
            "NetworkMode": spec.network or "default",
            "Ulimits": [{"Name": "nofile", "Soft": spec.open_files, "Hard": spec.open_files}],
            "LogConfig": {
                "Type": "json-file",
                "Config": {"max-size": str(spec.log_max_bytes), "max-file": str(spec.log_files)},
            },
        },
    }
    if spec.health_check is not None:
        body["Healthcheck"] = _health_check_body(spec.health_check)
    if spec.network is not None and spec.address is not None:
        body["NetworkingConfig"] = {"EndpointsConfig": {spec.network: {"IPAMConfig": {"IPv4Address": spec.address}}}}
    return body


def bridge_body(bridge: BridgeSpec) -> dict[str, Any]:
    """The keyword arguments of the SDK's `create_network`."""
    subnet = ipaddress.IPv4Network(bridge.subnet)
    return {
        "name": bridge.name,
        "driver": "bridge",
        "options": {ICC_OPTION: "false", INTERFACE_OPTION: bridge.interface},
        "ipam": {
            "Driver": "default",
            "Config": [
                {"Subnet": bridge.subnet, "IPRange": bridge.dynamic_range, "Gateway": str(subnet[1])},
            ],
        },
        "check_duplicate": True,
        "labels": dict(bridge.labels),
    }
