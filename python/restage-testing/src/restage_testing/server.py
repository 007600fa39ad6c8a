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
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

from restage_testing.child import Child, cannot_run, tail
from restage_testing.empty import listed, make_empty
from restage_testing.error import ServerError
from restage_testing.publisher import Publisher
from restage_testing.settings import Value, check_owned, toml

if TYPE_CHECKING:
    from mypy_boto3_ivs_realtime import IVSRealTimeClient

# Names of programs and variables by which the server is found.
BINARY_VARIABLE = "RESTAGE_BINARY"
PROGRAM = "restage"

START_S = 30.0
STOP_S = 20.0
COMMAND_S = 30.0
LOG_LINES = 60
# Port 0 is a free one, which the server finds itself.
ANY_PORT = "127.0.0.1:0"
# What every server gets unless a setting says otherwise. Commits need not wait for the disk, because the data does not
# outlive the test.
DEFAULTS: dict[str, Value] = {"media-port": 0, "sqlite-sync": "normal"}
NOT_STARTED = "the server was not started, or was stopped: start() starts it, with nothing in it"
# Variables that name a proxy, or what is asked without one, in both spellings that programs read.
PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy")
NO_PROXY_VARIABLES = ("no_proxy", "NO_PROXY")
# The server is on this machine, where no proxy leads.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


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


def without_proxy(host: str) -> dict[str, str]:
    """The variables by which programs ask the host directly, if this process's environment names a proxy."""
    if not any(os.environ.get(name) or os.environ.get(name.upper()) for name in PROXY_VARIABLES):
        return {}
    hosts = next(filter(None, map(os.environ.get, NO_PROXY_VARIABLES)), "")
    return dict.fromkeys(NO_PROXY_VARIABLES, hosts if hosts.strip() == "*" else ",".join(filter(None, (hosts, host))))


class RestageServer:
    """A server process. `with RestageServer() as server`, or `start()` and `stop()`.

    `settings`, and every further keyword: lines of restage.toml, with underscores for hyphens if you like:
    `RestageServer(limits="aws", workers=2)`. `data-dir` and `http` are made here. `binary`: the program; see
    `find_binary`. `directory`: where data and log go, and stay; without it they go into a temporary directory, which is
    removed. `region`: that of `client()` and `environment`.

    The process that started it ends it. A process that was forked from that one can use it, and leaves it running.
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
        self._http = ANY_PORT
        self._owner: int | None = None
        self._child: Child | None = None
        self._endpoint: str | None = None
        self._publishers: list[Publisher] = []

    # Its life

    def start(self) -> RestageServer:
        """Starts it, and returns when it takes requests."""
        if self._child is not None:
            raise ServerError("the server was started before")
        check_owned(self._settings)
        binary = find_binary(self._binary)
        self._owner = os.getpid()
        atexit.register(self.stop)
        try:
            self._child = self._serve(binary)
            self._endpoint = self._await_ready()
        except BaseException:
            self._abandon()
            raise
        return self

    def _serve(self, binary: str) -> Child:
        """Makes the directory and the configuration, and runs the program."""
        # First what may be refused without a directory.
        settings = toml(self._settings)
        try:
            if self._directory is None:
                self._directory = pathlib.Path(tempfile.mkdtemp(prefix="restage-testing-"))
            self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            # That of a server that was killed would say where it was.
            (self.data_dir / "server.json").unlink(missing_ok=True)
            file = self._directory / "restage.toml"
            owned = toml({"data-dir": str(self.data_dir), "http": self._http})
            file.write_text(owned + settings, encoding="utf-8")
            return Child(
                [binary, "serve", "--config", str(file)],
                environment=clean_environment() | {"RUST_BACKTRACE": "1"},
                output=self._directory / "server.out",
                log=self.log_file,
                remove=None if self._kept is not None else self._directory,
            )
        except OSError as error:
            cure = "give another `directory`" if self._kept is not None else "set TMPDIR to one that can be written"
            raise ServerError(f"cannot use the directory for the server's data: {error}; {cure}") from error

    def _await_ready(self) -> str:
        ends_at = time.monotonic() + self._start_timeout_s
        while True:
            self.check_running("did not start")
            url = self._announced()
            # With TLS the address may lead elsewhere, and its certificate is the caller's: being announced has to do.
            if url is not None and (url.startswith("https:") or _is_ready(url)):
                return url
            if time.monotonic() > ends_at:
                raise ServerError(self._failure(f"was not ready within {self._start_timeout_s:g} s"))
            time.sleep(0.02)

    def _announced(self) -> str | None:
        """Where the server says that this machine reaches it, once it does. Its public URL may lead elsewhere."""
        try:
            said = json.loads((self.data_dir / "server.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        return str(said.get("local") or said["url"]) if said["pid"] == self._running().pid else None

    def stop(self) -> None:
        """Ends it and its publishers, and removes its data unless `directory` was given. May be called twice.

        In a process that was forked from the one that started it, this ends only publishers of that process.
        """
        self._stop_publishers()
        if self._owner not in (None, os.getpid()):
            return
        child = self._child
        if child is not None:
            child.end(STOP_S)
        self._child, self._endpoint, self._http = None, None, ANY_PORT
        atexit.unregister(self.stop)
        self._remove_directory()

    def _abandon(self) -> None:
        """Takes back a start that failed. The data of a server that ran before stays until `stop()`."""
        child, self._child = self._child, None
        if child is not None:
            child.end(STOP_S)
        if self._http == ANY_PORT:
            atexit.unregister(self.stop)
            self._remove_directory()

    def _remove_directory(self) -> None:
        if self._kept is None and self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = None

    def _stop_publishers(self) -> None:
        for publisher in self._publishers:
            publisher.stop()
        self._publishers.clear()

    def restart(self, *, kill: bool = False) -> None:
        """Ends it, by SIGKILL with `kill`, and starts it again at the same address with the same data.

        One that has ended by itself, or that a test has killed, is started again too.
        """
        child = self._running()
        if not child.is_ours:
            raise ServerError("only the process that started the server may restart it")
        if kill:
            child.kill()
        else:
            child.end(STOP_S)
        self._child = None
        address = urllib.parse.urlsplit(self._endpoint or "")
        # A public URL with TLS does not say where the server listens.
        if address.scheme == "http" or "public-url" not in self._settings:
            self._http = address.netloc or ANY_PORT
        self.start()

    def __enter__(self) -> RestageServer:
        return self if self._child is not None else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _running(self) -> Child:
        if self._child is None:
            raise ServerError(NOT_STARTED)
        return self._child

    def check_running(self, what: str = "ended by itself") -> None:
        """Raises an error with the end of its log if it has ended. `restart()` brings it back."""
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
            raise ServerError(NOT_STARTED)
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
        self.check_running()
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
            "AWS_ENDPOINT_URL_IVS_REALTIME": self.endpoint_url,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "RESTAGE_DATA_DIR": str(self.data_dir),
            **without_proxy(urllib.parse.urlsplit(self.endpoint_url).hostname or ""),
        }

    def log(self, lines: int = LOG_LINES, since: int = 0) -> str:
        """The last lines of its log; with `since` none from before that byte of `log_file`."""
        return tail(self.log_file, lines, since)

    # What tests do with it

    def client(self, region: str | None = None, **more: Any) -> IVSRealTimeClient:
        """A boto3 client of it. `more`: what `boto3.client` takes, such as `config`.

        It takes nothing from the environment, neither a profile nor a proxy.
        """
        import boto3
        from botocore.config import Config

        keys = self.credentials
        config = Config(proxies={})
        given = more.pop("config", None)
        return boto3.session.Session(botocore_session=_session()).client(
            "ivs-realtime",
            config=config.merge(given) if given is not None else config,
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
        self._stop_publishers()
        make_empty(self.client(region))

    def publish(
        self, stage: str, *, user_id: str | None = None, region: str | None = None, arguments: Sequence[str] = ()
    ) -> Publisher:
        """Publishes a test card with a beep into a stage (ARN, name or id), and returns when media flows.

        `arguments`: what else `restage publish` takes, such as files. The publisher ends with `stop()`, at the end of a
        `with`, or with the server.
        """
        # In one word, because a value may begin with a hyphen.
        whose = (f"--user-id={user_id}",) if user_id is not None else ()
        self.check_running()
        publisher = Publisher(
            [find_binary(self._binary), "publish", f"--stage={stage}", *whose, "--output=json", *arguments],
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
        self.check_running()
        binary = find_binary(self._binary)
        try:
            done = subprocess.run(
                [binary, *arguments],
                env=self._environment_of_commands(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=COMMAND_S,
                check=False,
            )
        except OSError as error:
            raise cannot_run(binary, error) from error
        if done.returncode != 0:
            raise ServerError(f"restage {' '.join(arguments)} ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout


def _is_ready(url: str) -> bool:
    try:
        with DIRECT.open(f"{url}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _session() -> Any:
    """A session of botocore whose settings are all defaults: no variable and no file of the user changes them."""
    from botocore.session import Session

    files = {"config_file": os.devnull, "credentials_file": os.devnull}
    return Session(
        {
            name: (None, None, files.get(name, default), conversion)
            for name, (_, _, default, conversion) in Session.SESSION_VARIABLES.items()
        }
    )


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines()) or "    (empty)"
