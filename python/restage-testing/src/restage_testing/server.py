"""A server of one's own: started on free ports, with its data in a temporary directory."""

from __future__ import annotations

import atexit
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

from restage_testing.child import Child, tail
from restage_testing.empty import listed, make_empty
from restage_testing.publisher import Publisher
from restage_testing.settings import Value, toml

if TYPE_CHECKING:
    from mypy_boto3_ivs_realtime import IVSRealTimeClient

# Names of programs and variables by which the server is found.
BINARY_VARIABLE = "RESTAGE_BINARY"
PROGRAM = "restage"

START_S = 30.0
STOP_S = 20.0
COMMAND_S = 30.0
LOG_LINES = 60
# What every server gets unless a setting says otherwise. Port 0 is a free one, which the server finds itself.
# Commits need not wait for the disk, because the data does not outlive the test.
DEFAULTS: dict[str, Value] = {"http": "127.0.0.1:0", "media-port": 0, "sqlite-sync": "normal"}


class ServerError(Exception):
    """The server did not start, or is not there any more. The text has the end of its log."""


@dataclass(frozen=True)
class Credentials:
    """An access key of the server."""

    access_key_id: str
    secret_access_key: str


def find_binary(binary: str | os.PathLike[str] | None = None) -> str:
    """The `restage` to run: the one given, that of RESTAGE_BINARY, or the one in PATH."""
    wanted = os.fspath(binary) if binary is not None else os.environ.get(BINARY_VARIABLE) or PROGRAM
    found = shutil.which(wanted)
    if found is None:
        raise ServerError(
            f"there is no program {wanted!r}: install restage so that PATH has it, or set {BINARY_VARIABLE} to its path"
        )
    return os.path.abspath(found)


def clean_environment() -> dict[str, str]:
    """This process's environment without what configures restage or an AWS client."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RESTAGE_", "AWS_"))}
    # The user's own profiles stay out of it.
    return kept | {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}


class RestageServer:
    """A server process. `with RestageServer() as server`, or `start()` and `stop()`.

    `settings`, and every further keyword: lines of restage.toml, with underscores for hyphens if you like:
    `RestageServer(limits="aws", workers=2)`. `binary`: the program; see `find_binary`. `directory`: where data and log
    go, and stay; without it they go into a temporary directory, which is removed. `region`: that of `client()` and
    `environment`.
    """

    def __init__(
        self,
        settings: Mapping[str, Value] | None = None,
        *,
        binary: str | os.PathLike[str] | None = None,
        directory: str | os.PathLike[str] | None = None,
        region: str = "us-east-1",
        start_timeout_s: float = START_S,
        **further: Value,
    ) -> None:
        self.region = region
        self._binary = binary
        self._kept = pathlib.Path(directory).absolute() if directory is not None else None
        self._directory = self._kept
        self._start_timeout_s = start_timeout_s
        given = {name.replace("_", "-"): value for name, value in {**(settings or {}), **further}.items()}
        self._settings: dict[str, Value] = DEFAULTS | given
        self._child: Child | None = None
        self._endpoint: str | None = None
        self._publishers: list[Publisher] = []

    # Its life

    def start(self) -> RestageServer:
        """Starts it, and returns when it takes requests."""
        if self._child is not None:
            raise ServerError("the server was started before")
        binary = find_binary(self._binary)
        if self._directory is None:
            self._directory = pathlib.Path(tempfile.mkdtemp(prefix="restage-testing-"))
        self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = self._directory / "restage.toml"
        file.write_text(toml({"data-dir": str(self.data_dir)} | self._settings), encoding="utf-8")
        # That of a server that was killed would say where it was.
        (self.data_dir / "server.json").unlink(missing_ok=True)
        self._child = Child(
            [binary, "serve", "--config", str(file)],
            environment=clean_environment() | {"RUST_BACKTRACE": "1"},
            output=self._directory / "server.out",
            log=self.log_file,
            remove=None if self._kept is not None else self._directory,
        )
        atexit.register(self.stop)
        try:
            self._endpoint = self._await_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def _await_ready(self) -> str:
        ends_at = time.monotonic() + self._start_timeout_s
        while True:
            self._check_running("did not start")
            url = self._announced()
            if url is not None and _is_ready(url):
                return url
            if time.monotonic() > ends_at:
                raise ServerError(self._failure(f"was not ready within {self._start_timeout_s:g} s"))
            time.sleep(0.02)

    def _announced(self) -> str | None:
        """The address that the server has written down, once it has."""
        try:
            said = json.loads((self.data_dir / "server.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        return str(said["url"]) if said["pid"] == self._running().pid else None

    def stop(self) -> None:
        """Ends it and its publishers, and removes its data unless `directory` was given. May be called twice."""
        for publisher in self._publishers:
            publisher.stop()
        self._publishers.clear()
        child, self._child, self._endpoint = self._child, None, None
        if child is not None:
            child.end(STOP_S)
            atexit.unregister(self.stop)
        if self._kept is None and self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = None

    def restart(self, *, kill: bool = False) -> None:
        """Ends it, by SIGKILL with `kill`, and starts it again at the same address with the same data."""
        child, endpoint = self._running(), self.endpoint_url
        if kill:
            child.kill()
        else:
            child.end(STOP_S)
        self._child = None
        atexit.unregister(self.stop)
        self._settings["http"] = endpoint.split("://", 1)[1]
        self.start()

    def __enter__(self) -> RestageServer:
        return self if self._child is not None else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _running(self) -> Child:
        if self._child is None:
            raise ServerError("the server was not started, or was stopped")
        return self._child

    def _check_running(self, what: str = "ended by itself") -> None:
        code = self._running().code()
        if code is not None:
            raise ServerError(self._failure(f"{what}: exit code {code}"))

    def _failure(self, what: str) -> str:
        command = " ".join(self._running().command)
        return f"restage {what}\n  command: {command}\n  the end of its log:\n{_indented(self.log())}"

    # What is known of it

    @property
    def pid(self) -> int:
        return self._running().pid

    @property
    def is_started(self) -> bool:
        """Whether it was started and not stopped; it may have ended by itself."""
        return self._child is not None

    @property
    def exit_code(self) -> int | None:
        """How it ended, if it ended by itself."""
        return self._running().code()

    @property
    def address(self) -> str:
        """Its endpoint, also when it has ended."""
        return self._endpoint or "no address yet"

    @property
    def directory(self) -> pathlib.Path:
        """Where its data, its configuration and its log are."""
        if self._directory is None:
            raise ServerError("the server was not started, or was stopped")
        return self._directory

    @property
    def data_dir(self) -> pathlib.Path:
        return self.directory / "data"

    @property
    def log_file(self) -> pathlib.Path:
        return self.directory / "server.log"

    @property
    def endpoint_url(self) -> str:
        """What SDKs take as endpoint: `http://127.0.0.1:…`."""
        self._check_running()
        assert self._endpoint is not None
        return self._endpoint

    @property
    def credentials(self) -> Credentials:
        """The key of the default account, which may call every operation."""
        named = self.environment
        return Credentials(named["AWS_ACCESS_KEY_ID"], named["AWS_SECRET_ACCESS_KEY"])

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which every AWS SDK, the AWS CLI and `restage` use this server."""
        named: dict[str, str] = json.loads(self.command("env", "--output", "json"))
        return named | {
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "RESTAGE_DATA_DIR": str(self.data_dir),
        }

    def log(self, lines: int = LOG_LINES, since: int = 0) -> str:
        """The last lines of its log; with `since` none from before that byte of `log_file`."""
        return tail(self.log_file, lines, since)

    # What tests do with it

    def client(self, region: str | None = None, **more: Any) -> IVSRealTimeClient:
        """A boto3 client of it. `more`: what `boto3.client` takes, such as `config`."""
        import boto3

        keys = self.credentials
        return boto3.session.Session().client(
            "ivs-realtime",
            endpoint_url=self.endpoint_url,
            region_name=region or self.region,
            aws_access_key_id=keys.access_key_id,
            aws_secret_access_key=keys.secret_access_key,
            **more,
        )

    def stages(self, region: str | None = None) -> list[dict[str, Any]]:
        """All stages of the Region, over all pages."""
        return listed(self.client(region), "list_stages", "stages")

    def reset(self, region: str | None = None) -> None:
        """Removes all that the Region has, stages, configurations, keys, and ends what `publish` has started."""
        for publisher in self._publishers:
            publisher.stop()
        self._publishers.clear()
        make_empty(self.client(region))

    def publish(
        self, stage: str, *, user_id: str | None = None, region: str | None = None, arguments: Sequence[str] = ()
    ) -> Publisher:
        """Publishes a test card with a beep into a stage (ARN, name or id), and returns when media flows.

        `arguments`: what else `restage publish` takes, such as files. The publisher ends with `stop()`, at the end of a
        `with`, or with the server.
        """
        whose = ("--user-id", user_id) if user_id is not None else ()
        self._check_running()
        publisher = Publisher(
            [find_binary(self._binary), "publish", "--stage", stage, *whose, "--output", "json", *arguments],
            environment=self._environment_of_commands(region),
            directory=self.directory,
        )
        self._publishers.append(publisher)
        publisher.wait_until_it_publishes()
        return publisher

    def _environment_of_commands(self, region: str | None = None) -> dict[str, str]:
        return clean_environment() | {"RESTAGE_DATA_DIR": str(self.data_dir), "AWS_REGION": region or self.region}

    def command(self, *arguments: str) -> str:
        """What `restage ARGUMENTS…` prints, run against this server."""
        self._check_running()
        done = subprocess.run(
            [find_binary(self._binary), *arguments],
            env=self._environment_of_commands(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )
        if done.returncode != 0:
            raise ServerError(f"restage {' '.join(arguments)} ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines()) or "    (empty)"
