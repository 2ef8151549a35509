"""Docker engines of tests, each in a network and mount namespace of its own: nobody else's containers are touched."""

import contextlib
import io
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import docker
import docker.errors

BUSYBOX = "/bin/busybox"
APPLETS = [
    "sh",
    "sleep",
    "echo",
    "cat",
    "env",
    "ls",
    "true",
    "false",
    "kill",
    "wget",
    "httpd",
    "id",
    "test",
    "seq",
    "head",
    "tail",
    "od",
    "dd",
    "nproc",
    "touch",
    "grep",
]
STARTED_WITHIN = 60
IMAGE = "app:1"


def missing() -> str | None:
    """Why no engine can be started here; None if one can."""
    if os.geteuid() != 0:
        return "needs root"
    lacking = [name for name in ("dockerd", "docker-registry", "unshare", "ip") if shutil.which(name) is None]
    if not Path(BUSYBOX).exists():
        lacking.append("busybox-static")
    return f"needs {', '.join(lacking)}" if lacking else None


def image_tar(extra: dict[str, str] | None = None) -> bytes:
    """A file system with a static busybox, and programs of `extra` (path: text)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add(BUSYBOX, "bin/busybox")
        for applet in APPLETS:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname, link.mode = tarfile.SYMTYPE, "/bin/busybox", 0o777
            tar.addfile(link)
        for path, text in {"etc/passwd": "root:x:0:0::/:/bin/sh\n", **(extra or {})}.items():
            file = tarfile.TarInfo(path)
            file.size, file.mode = len(text.encode()), 0o755
            tar.addfile(file, io.BytesIO(text.encode()))
    return buffer.getvalue()


class DockerMachine:
    """One dockerd. `url` is its socket; `kill` ends it as a power cut would, and `up` starts it again."""

    def __init__(self, folder: Path, *options: str, path: str | None = None) -> None:
        self.folder, self.socket = folder, folder / "d.sock"
        self.url = f"unix://{self.socket}"
        self._options, self._path = options, path
        self._holder: subprocess.Popen[bytes] | None = None
        self._dockerd: subprocess.Popen[bytes] | None = None
        self._clients: list[docker.APIClient] = []

    @property
    def client(self) -> docker.APIClient:
        """A connection of the test's own, behind wnm-fleet's back."""
        if not self._clients:
            self._clients.append(docker.APIClient(base_url=self.url, timeout=60))
        return self._clients[0]

    def up(self) -> None:
        """Start it, in the namespaces that stay while the machine does."""
        self.folder.mkdir(exist_ok=True)
        if self._holder is None:
            setup = (
                "ip link set lo up; mount --make-rprivate /; mkdir -p /run/docker; mount -t tmpfs tmpfs /run/docker;"
                "exec sleep infinity"
            )
            self._holder = subprocess.Popen(["unshare", "--net", "--mount", "--uts", "sh", "-c", setup])
            self._wait_for(self._is_set_up)
        argv = [
            *self.inside(),
            "dockerd",
            "--data-root",
            f"{self.folder}/data",
            "--exec-root",
            f"{self.folder}/x",
        ]
        argv += [
            "--pidfile",
            f"{self.folder}/pid",
            "-H",
            self.url,
            "--cgroup-parent",
            f"/{self.folder.name}-tests",
        ]
        environment = {**os.environ, "PATH": self._path or os.environ["PATH"]}
        with (self.folder / "log").open("ab") as log:
            self._dockerd = subprocess.Popen(
                [*argv, *self._options], stdout=log, stderr=log, env=environment, start_new_session=True
            )
        self._wait_for(self._answers)

    def run(self, argv: Sequence[str]) -> str:
        """Run a program in its network."""
        return subprocess.run(self.inside(*argv), capture_output=True, text=True, check=True).stdout

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End dockerd and wait until it has."""
        while self._clients:
            self._clients.pop().close()
        if self._dockerd is not None:
            self._dockerd.send_signal(how)
            self._dockerd.wait(STARTED_WITHIN)
            self._dockerd = None
        if how is signal.SIGKILL:
            self._end_containerd()
            (self.folder / "pid").unlink(missing_ok=True)

    def _end_containerd(self) -> None:
        """End the containerd of a dockerd that was killed, as a machine's end would; its containers run on."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, ValueError):
            pid = int((self.folder / "x/containerd/containerd.pid").read_text())
            os.kill(pid, signal.SIGKILL)
            self._wait_for(lambda: not Path(f"/proc/{pid}").exists())

    def remove(self) -> None:
        """End it with all its containers and leave nothing."""
        with contextlib.suppress(docker.errors.DockerException, OSError):
            for each in self.client.containers(all=True):
                self.client.remove_container(each["Id"], force=True)
        self.end()
        if self._holder is not None:
            self._holder.kill()
            self._holder.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def inside(self, *argv: str) -> list[str]:
        """The command line that runs a program in its namespaces."""
        assert self._holder is not None
        return ["nsenter", "--target", str(self._holder.pid), "--net", "--mount", "--uts", *argv]

    def _is_set_up(self) -> bool:
        assert self._holder is not None
        return Path(f"/proc/{self._holder.pid}/comm").read_text() == "sleep\n"

    def _answers(self) -> bool:
        # The SDK leaves the socket open with which it did not get through: it is asked only when there is an answer.
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.socket))
            except OSError:
                return False
        return bool(self.client.ping())

    def _wait_for(self, condition: Callable[[], bool]) -> None:
        until = time.monotonic() + STARTED_WITHIN
        while not condition():
            if time.monotonic() > until:
                log = (self.folder / "log").read_text()[-2000:] if (self.folder / "log").exists() else ""
                raise AssertionError(f"dockerd in {self.folder} is not as it should be: {log}")
            time.sleep(0.1)


@contextlib.contextmanager
def docker_machine(folder: Path, *options: str, path: str | None = None) -> Iterator[DockerMachine]:
    """A machine with a running engine that has the image of tests."""
    machine = DockerMachine(folder, *options, path=path)
    try:
        machine.up()
        machine.client.import_image_from_data(image_tar(), repository="app", tag="1")
        yield machine
    finally:
        machine.remove()


@contextlib.contextmanager
def registry(machine: DockerMachine) -> Iterator[str]:
    """A registry beside a machine's Docker; gives its address, which Docker trusts because it is a loopback one."""
    folder = machine.folder / "registry"
    config = machine.folder / "registry.yml"
    address = "127.0.0.1:5000"
    config.write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder}}}, delete: {{enabled: true}}}}\n"
        f"http: {{addr: {address}}}\nlog: {{level: error}}\n"
    )
    with (machine.folder / "registry.log").open("ab") as log:
        server = subprocess.Popen(
            machine.inside("docker-registry", "serve", str(config)), stdout=log, stderr=log
        )
    try:
        probe = machine.inside(BUSYBOX, "wget", "-q", "-O", "/dev/null", f"http://{address}/v2/")
        until = time.monotonic() + STARTED_WITHIN
        while subprocess.run(probe, check=False, stderr=subprocess.DEVNULL).returncode:
            assert time.monotonic() < until, (machine.folder / "registry.log").read_text()
            time.sleep(0.1)
        yield address
    finally:
        server.terminate()
        server.wait()
