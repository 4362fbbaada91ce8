"""The operator's kit: files to copy and adapt, which `ticker deploy NAME` prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.resources import files

from ticker.config import ConfigError


@dataclass(frozen=True, slots=True)
class Part:
    """One file of the kit."""

    file: str
    """Its name in this folder, which is also the name that it usually has on a server."""
    gives: str


KIT: Mapping[str, Part] = {
    "systemd": Part("ticker@.service", "a unit that runs the service on the port after the @"),
    "environment": Part("environment", "the secrets and variables of that unit"),
    "nginx": Part("nginx.conf", "a site of nginx: TLS, HTTP, WebSocket and Server-Sent Events"),
    "caddy": Part("Caddyfile", "the same site for Caddy, which gets its certificate itself"),
    "redis-acl": Part("ticker.acl", "the users of a Redis of your own, with the fewest rights"),
    "prometheus-rules": Part("ticker.rules.yml", "alerts for Prometheus"),
    "grafana-dashboard": Part("ticker.dashboard.json", "a dashboard for Grafana"),
    "containerfile": Part("Containerfile", "an image for Docker or Podman, without root"),
    "compose": Part("compose.yaml", "that image and a Redis, for Docker Compose"),
    "kubernetes": Part("kubernetes.yaml", "that image on Kubernetes, with probes and rolling updates"),
}


def text(name: str) -> str:
    """The file with this name in the kit. Raises ConfigError."""
    if name not in KIT:
        near = get_close_matches(name, KIT, n=1)
        hint = f' Did you mean "{near[0]}"?' if near else ""
        raise ConfigError(f'no file is named "{name}".{hint} Write one of:\n{listed()}')
    return files("ticker").joinpath("deploy", KIT[name].file).read_text(encoding="utf-8")


def listed() -> str:
    """A line for each file of the kit."""
    width = max(map(len, KIT))
    return "\n".join(f"{name:{width}}  {part.gives}" for name, part in KIT.items())
