"""The real binary, started on free ports with its data in a directory of the test."""

import atexit
import collections
import configparser
import hashlib
import os
import pathlib
import shlex
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request

from support.ports import free_port
from support.wait import eventually

ROOT = pathlib.Path(__file__).resolve().parents[3]
OUTPUT = ROOT / "conformance" / "output"

START_S = 30
STOP_S = 20
LOG_LINES_MAX = 5000


def binary():
    """The `restage` under test."""
    path = pathlib.Path(os.environ.get("RESTAGE_BINARY") or ROOT / "target" / "debug" / "restage")
    assert path.is_file(), f"{path} is not there: cargo build --package restage"
    return path


def clean_environment(**extra):
    """This process's environment without variables that configure restage or an AWS client."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RESTAGE_", "AWS_"))}
    # Excludes the configuration of the user who runs the tests, and look-ups of instance metadata.
    kept |= {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    kept |= {"AWS_EC2_METADATA_DISABLED": "true"}
    return kept | extra


def database_arguments(data_dir):
    """The arguments of `serve` to store this data directory's rows in PostgreSQL, when the run uses PostgreSQL."""
    url = os.environ.get("RESTAGE_TEST_POSTGRES")
    if not url:
        return []
    schema = "c" + hashlib.sha256(str(data_dir).encode()).hexdigest()[:24]
    subprocess.run(
        [os.environ["RESTAGE_TEST_PSQL"], "--quiet", url, "-c", f"CREATE SCHEMA IF NOT EXISTS {schema}"],
        check=True,
        capture_output=True,
    )
    return ["--database", f"{url}?options=-csearch_path%3D{schema}"]


class Server:
    """One data directory and its server process, which may be stopped, killed and started again."""

    def __init__(self, data_dir, *arguments, name="server", environment=None, host="127.0.0.1"):
        self.data_dir = pathlib.Path(data_dir)
        self.arguments = arguments
        self.name = name
        self.extra = environment or {}
        self.http_port = free_port(socket.SOCK_STREAM, "0.0.0.0" if host == "0.0.0.0" else "127.0.0.1")
        self.media_port = free_port(socket.SOCK_DGRAM)
        self.address = f"{host}:{self.http_port}"
        self.url = f"http://{self.address}"
        self.process = None
        # What the command stands behind: a program that starts the server.
        self.prefix = ()
        self.database = database_arguments(self.data_dir)
        self.log = collections.deque(maxlen=LOG_LINES_MAX)
        self._is_announced = threading.Event()

    def start(self):
        """Starts the process; returns when it has reported that it is ready and answers."""
        return self._start(self.is_ready)

    def start_without_readiness(self):
        """Starts the process; returns when it answers, although it may not be ready."""
        return self._start(lambda: self.status("/healthz") == 200)

    def _start(self, is_up):
        assert self.process is None
        self._is_announced.clear()
        command = [
            *self.prefix,
            *(str(binary()), "serve", "--data-dir", str(self.data_dir)),
            *("--http", self.address, "--media-port", str(self.media_port)),
            *self.database,
            *self.arguments,
        ]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=clean_environment(RUST_BACKTRACE="1", **self.extra),
        )
        # Kills the server when the test run ends early.
        atexit.register(self.process.kill)
        threading.Thread(target=self._read_log, args=(self.process,), daemon=True).start()
        ends_at = time.monotonic() + START_S
        while not (self._is_announced.wait(0.02) and is_up()):
            if self.process.poll() is not None:
                raise AssertionError(f"serve ended with {self.process.returncode} at once:\n{self.tail()}")
            assert time.monotonic() < ends_at, f"serve was not ready within {START_S} s:\n{self.tail()}"
        return self

    def _read_log(self, process):
        OUTPUT.mkdir(parents=True, exist_ok=True)
        with open(OUTPUT / f"{self.name}.log", "a", encoding="utf-8") as copy:
            for line in process.stderr:
                copy.write(line)
                copy.flush()
                self.log.append(line.rstrip("\n"))
                if "ready" in line:
                    self._is_announced.set()

    def logged(self, *words):
        """The first line of the log with all of these words. What the server writes is read a moment later."""
        found = lambda: [line for line in list(self.log) if all(word in line for word in words)]  # noqa: E731
        return eventually(found, what=f"the log has {words}: {self.tail()}")[0]

    def tail(self, lines=60):
        """The last lines that it wrote to stderr."""
        return "\n".join(list(self.log)[-lines:])

    def status(self, path):
        """The HTTP status of a GET, or 0 when there is no answer."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=5) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def is_ready(self):
        return self.status("/readyz") == 200

    def is_alive(self):
        """Whether the process runs and answers."""
        return self.process is not None and self.process.poll() is None and self.status("/healthz") == 200

    def stop(self):
        """Stops it as an operator would; it must drain and exit with code 0."""
        process, self.process = self.process, None
        if process is None:
            return
        assert process.poll() is None, f"serve had ended with {process.returncode} before:\n{self.tail()}"
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"serve did not end within {STOP_S} s of SIGTERM:\n{self.tail()}") from None
        assert code == 0, f"serve ended with {code} after SIGTERM:\n{self.tail()}"
        panics = [line for line in self.log if "panicked at" in line]
        assert not panics, "\n".join(panics)

    def kill(self):
        """kill -9."""
        process, self.process = self.process, None
        process.kill()
        process.wait()

    def credentials(self):
        """(access key id, secret access key) from the data directory."""
        path = self.data_dir / "credentials"
        assert path.stat().st_mode & 0o777 == 0o600, "the credentials file is for its owner only"
        parser = configparser.ConfigParser()
        parser.read(path)
        return parser["default"]["aws_access_key_id"], parser["default"]["aws_secret_access_key"]

    def environment(self):
        """The variables of `eval "$(restage env)"`, on top of the cleaned environment."""
        text = self.command("env", "--data-dir", str(self.data_dir)).stdout
        exported = {}
        for word in shlex.split(text):
            if "=" in word:
                name, value = word.split("=", 1)
                exported[name] = value.rstrip(";")
        return clean_environment(**exported)

    def command(self, *arguments, check=True):
        """Runs one of the client commands."""
        return subprocess.run(
            [str(binary()), *arguments],
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=check,
        )
