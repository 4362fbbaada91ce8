"""The image, its composition with a Redis, and the objects for Kubernetes."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import debian
import kubernetes_validate
import pytest
import services
import yaml
from servers import free_ports
from services import ROOT
from stage import until

from ticker import app, deploy, workers
from ticker.config import load

IMAGE = "currency-ticker"
MOST_BYTES = 120_000_000
"""Beyond Debian and Python."""
FIRST_QUOTE_SECONDS = 60


def composed(name: str) -> dict[str, Any]:
    """A service of compose.yaml."""
    service: dict[str, Any] = yaml.safe_load(deploy.text("compose"))["services"][name]
    return service


# The image, on a base that debootstrap made: none can be pulled here.


@dataclass
class Podman:
    """Podman with a store of its own, whose configuration is in this folder."""

    folder: Path
    runtime: str
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, *words: str, fails: bool = False, **options: Any) -> str:
        command = ["podman", f"--runtime={self.runtime}", *words]
        found = subprocess.run(
            command, capture_output=True, text=True, env=self.environment, timeout=900, **options
        )
        assert (found.returncode != 0) == fails, f"{words}\n{found.stdout[-3000:]}{found.stderr[-3000:]}"
        return found.stdout.strip()

    def size(self, image: str) -> int:
        return int(self.run("image", "inspect", "--format={{.Size}}", image))


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    """One that has built the image."""
    base = debian.base("podman", "buildah")
    folder = tmp_path_factory.mktemp("podman")
    (folder / "storage.conf").write_text(
        f'[storage]\ndriver = "vfs"\ngraphroot = "{folder}/graph"\nrunroot = "{folder}/run"\n'
    )
    (folder / "containers.conf").write_text('[engine]\ncgroup_manager = "cgroupfs"\n')
    own = {name: f"{folder}/{name.split('_')[1].lower()}.conf" for name in ("CONTAINERS_STORAGE_CONF",)}
    environment = os.environ | own | {"CONTAINERS_CONF": f"{folder}/containers.conf"}
    # crun refuses the control groups of some machines, where runc works.
    found = Podman(folder, shutil.which("runc") or "crun", environment)
    build(found, base)
    yield found
    found.run("rm", "--all", "--force")
    shutil.rmtree(folder)


def build(podman: Podman, base: Path) -> None:
    """Build the image as its file says, from a base in place of the one of that name."""
    text = deploy.text("containerfile")
    [origin] = set(re.findall(r"^FROM (\S+)", text, re.MULTILINE))
    with subprocess.Popen(["tar", "-C", str(base), "-c", "."], stdout=subprocess.PIPE) as tar:
        trust = f"ENV PIP_CERT=/{debian.BUNDLE}"
        podman.run("import", f"--change={trust}", "-", origin, stdin=tar.stdout)
    context = podman.folder / "context"
    left_out = shutil.ignore_patterns("node_modules", "__pycache__")
    for name in ("ticker", "widget"):
        shutil.copytree(ROOT / name, context / name, ignore=left_out)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, context)
    (context / "Containerfile").write_text(text)
    words = ("--isolation=chroot", "--network=host", "--pull=never", "--format=docker", "--no-cache")
    podman.run("build", *words, f"--tag={IMAGE}", str(context))


@contextmanager
def container(podman: Podman, **variables: str) -> Iterator[str]:
    """The image as compose.yaml runs it, without a network; its name."""
    service, name = composed("ticker"), f"ticker-{time.monotonic_ns()}"
    assert service["read_only"]
    options = ["--read-only", *(f"--cap-drop={each}" for each in service["cap_drop"])]
    options += [f"--security-opt={each.replace(':true', '')}" for each in service["security_opt"]]
    options += [f"--env={variable}={value}" for variable, value in variables.items()]
    limits = ("--ulimit=nofile=20000:20000", "--ulimit=nproc=4096:4096")
    podman.run("run", "--detach", f"--name={name}", "--network=none", *limits, *options, IMAGE)
    try:
        yield name
    finally:
        podman.run("rm", "--force", name)


def fetch(podman: Podman, name: str, address: str) -> str:
    """The status and the text of an address, as seen from within the container."""
    code = (
        "import sys, urllib.request, urllib.error\n"
        "try: answer = urllib.request.urlopen(sys.argv[1], timeout=20)\n"
        "except urllib.error.HTTPError as error: answer = error\n"
        "except OSError as error: print(0, error); sys.exit()\n"
        "print(answer.status, answer.read().decode())\n"
    )
    return podman.run("exec", name, "python3", "-c", code, address)


slow = [pytest.mark.redis, pytest.mark.slow, pytest.mark.timeout(2400)]


class TestImage:
    """Each test has a container of its own."""

    pytestmark = slow

    def test_it_is_small(self, podman: Podman) -> None:
        [origin] = set(re.findall(r"^FROM (\S+)", deploy.text("containerfile"), re.MULTILINE))

        assert 0 < podman.size(IMAGE) - podman.size(origin) <= MOST_BYTES

    async def test_it_has_a_quote_soon_without_root_and_without_writing(self, podman: Podman) -> None:
        start = time.monotonic()
        with container(podman) as name:
            await until(lambda: "TMT/USD" in fetch(podman, name, "http://127.0.0.1:8080/v1/quotes"))
            seconds = time.monotonic() - start
            await until(lambda: not podman_fails(podman, name))
            status = podman.run("exec", name, "cat", "/proc/1/status")
            podman.run("exec", name, "touch", "/opt/here", fails=True)
            podman.run("exec", name, "touch", "/etc/ticker/here", fails=True)
            podman.run("stop", "--time=30", name)
            code = podman.run("inspect", "--format={{.State.ExitCode}}", name)
            log = podman.run("logs", name)

        assert seconds < FIRST_QUOTE_SECONDS
        assert re.findall(r"^Uid:\s(\d+)", status, re.MULTILINE) == ["10001"]
        assert re.findall(r"^Cap(?:Prm|Eff|Bnd):\s(\w+)", status, re.MULTILINE) == ["0" * 16] * 3
        assert "NoNewPrivs:\t1" in status
        assert (code, "ready http://" in log) == ("0", True)

    async def test_it_stays_healthy_under_load_and_is_ill_when_it_hangs(self, podman: Podman) -> None:
        few = {"TICKER_LIMITS__HANDSHAKES_PER_SECOND": "1", "TICKER_LIMITS__HANDSHAKES_AT_ONCE": "1"}
        with container(podman, **few) as name:
            await until(lambda: not podman_fails(podman, name))
            asked = [fetch(podman, name, "http://127.0.0.1:8080/healthz") for _ in range(8)]
            assert any(answer.startswith("503") for answer in asked), asked
            assert not podman_fails(podman, name)

            podman.run("kill", "--signal=STOP", name)
            assert podman_fails(podman, name)
            podman.run("kill", "--signal=CONT", name)
            await until(lambda: not podman_fails(podman, name))


def podman_fails(podman: Podman, name: str) -> bool:
    """Whether the image's own health check fails now."""
    words = ["podman", f"--runtime={podman.runtime}", "healthcheck", "run", name]
    return subprocess.run(words, capture_output=True, env=podman.environment, timeout=120).returncode != 0


# With a Redis.


@pytest.mark.slow
def test_compose_takes_its_file_and_asks_for_a_password(tmp_path: Path) -> None:
    program = shutil.which("docker-compose")
    if not program:
        pytest.fail(
            "no docker-compose here for the test of its file; install it (apt install docker-compose)"
        )
    (tmp_path / "compose.yaml").write_text(deploy.text("compose"))
    words = [
        program,
        "--project-directory",
        str(tmp_path),
        "--file",
        str(tmp_path / "compose.yaml"),
        "config",
    ]
    own = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    refused = subprocess.run(words, capture_output=True, text=True, env=own)
    taken = subprocess.run(words, capture_output=True, text=True, env=own | {"REDIS_PASSWORD": "pw"})

    assert refused.returncode != 0
    assert "see the top of compose.yaml" in refused.stderr
    assert taken.returncode == 0, taken.stderr
    read = yaml.safe_load(taken.stdout)["services"]["ticker"]
    assert read["environment"]["TICKER_REDIS_URL"] == "redis://poller:pw@redis:6379/0"


@pytest.mark.redis
@pytest.mark.slow
async def test_the_composed_redis_and_its_users_serve_the_composed_service(short_path: Path) -> None:
    port, *_ = free_ports(1)
    (short_path / "ticker.acl").write_text(deploy.text("redis-acl").replace(">PASSWORD", ">pw"))
    program, *words = composed("redis")["command"]
    words = [word.replace("/etc/redis/ticker.acl", f"{short_path}/ticker.acl") for word in words]
    redis = await asyncio.create_subprocess_exec(
        *(program, *words, "--port", str(port), "--dir", str(short_path)), stdout=subprocess.DEVNULL
    )
    environment = composed("ticker")["environment"]
    url = re.sub(
        r"\$\{REDIS_PASSWORD.*?\}@redis:6379", f"pw@127.0.0.1:{port}", environment["TICKER_REDIS_URL"]
    )
    try:
        async with services.running(
            short_path, "serve", "--port", "0", environment=environment | {"TICKER_REDIS_URL": url}
        ) as service:

            async def is_written() -> bool:
                return (await service.get("health"))["poller"] is not None

            await until(is_written)
            await until(service.quotes)
    finally:
        redis.terminate()
        await redis.wait()


# Kubernetes.


PROBES = ("startupProbe", "livenessProbe", "readinessProbe")


def objects() -> dict[str, dict[str, Any]]:
    """Each object by its kind."""
    return {each["kind"]: each for each in yaml.safe_load_all(deploy.text("kubernetes"))}


def pod() -> dict[str, Any]:
    spec: dict[str, Any] = objects()["Deployment"]["spec"]["template"]["spec"]
    return spec


@pytest.mark.parametrize("version", ["1.28", "1.31", "1.33"])
def test_kubernetes_takes_every_object(version: str) -> None:
    for each in objects().values():
        kubernetes_validate.validate(each, version, strict=True)


def test_the_objects_fit_together() -> None:
    found = objects()
    labels = found["Deployment"]["spec"]["template"]["metadata"]["labels"]
    ports = {port["name"]: port["containerPort"] for port in pod()["containers"][0]["ports"]}
    backend = found["Ingress"]["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]

    assert found["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert found["Service"]["spec"]["selector"] == labels
    assert found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert found["Service"]["spec"]["ports"][0]["targetPort"] in ports
    assert backend["name"] == found["Service"]["metadata"]["name"]
    assert backend["port"]["name"] == found["Service"]["spec"]["ports"][0]["name"]
    assert pod()["enableServiceLinks"] is False
    # The ids of the image.
    assert f"USER {pod()['securityContext']['runAsUser']}:" in deploy.text("containerfile")


@pytest.mark.redis
@pytest.mark.slow
async def test_the_probes_of_a_pod_are_answered_and_its_end_has_time(
    short_path: Path, redis_url: str
) -> None:
    [within] = pod()["containers"]
    file = short_path / "config.toml"
    file.write_text(objects()["ConfigMap"]["data"]["config.toml"])
    environment = {each["name"]: each.get("value", redis_url) for each in within["env"]}
    settings = load(file, environment=environment)
    needed = workers.ending_seconds(settings) + app.LEAVE_SECONDS
    assert pod()["terminationGracePeriodSeconds"] >= needed
    assert {str(settings.server.port), settings.server.admin.rpartition(":")[2]} == {
        str(port["containerPort"]) for port in within["ports"]
    }

    # On this machine the ports may be taken.
    own = {"TICKER_SERVER__HOST": "127.0.0.1", "TICKER_SERVER__ADMIN": "127.0.0.1:0"}
    arguments = ("serve", "--config", str(file), "--port", "0")
    async with services.running(short_path, *arguments, environment=environment | own) as service:
        probes = {probe: within[probe]["httpGet"] for probe in PROBES}
        assert {each["port"] for each in probes.values()} == {"admin"}
        places = {probe: service.admin.rstrip("/") + each["path"] for probe, each in probes.items()}
        for place in places.values():
            await until(lambda at=place: answers(service, at, 200))
        # While it ends, it is alive but not ready.
        service.process.terminate()
        await until(lambda: answers(service, places["readinessProbe"], 503))
        assert await answers(service, places["livenessProbe"], 200)


async def answers(service: services.Service, address: str, status: int) -> bool:
    return (await service.text(address))[0] == status


def test_the_image_listens_where_its_health_check_and_kubernetes_expect_it() -> None:
    text = deploy.text("containerfile")
    variables = dict(re.findall(r"(TICKER_\w+)=(\S+)", text.split("\nFROM ")[2]))
    settings = load(None, environment=variables)
    check = json.loads(re.findall(r"^  CMD (\[.*)$", text, re.MULTILINE)[0])

    assert (settings.server.host, settings.server.admin) == ("0.0.0.0", "0.0.0.0:9100")  # noqa: S104
    assert "http://127.0.0.1:9100/healthz" in check[-1]
    assert settings.redis.data_dir.startswith(re.findall(r"^VOLUME (\S+)", text, re.MULTILINE)[0])
