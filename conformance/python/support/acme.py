"""Authorities: pebble, the test authority of Let's Encrypt, and a stand-in that only takes orders down."""

import base64
import contextlib
import http.server
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading

from .fetch import fetch
from .ports import free_port
from .server import OUTPUT
from .tls import certified
from .wait import eventually

STOP_S = 10


def missing():
    """Why pebble cannot be used, or None."""
    for program in ("pebble", "pebble-challtestsrv"):
        if shutil.which(program) is None:
            return f"there is no {program} (Debian package pebble)"
    return None


class Pebble:
    """A pebble that looks for a server at `port`, and the DNS server that it asks, which knows one name alone."""

    def __init__(self, directory, port, name, address, validity_s=None):
        self.directory = directory
        self.port, self.name, self.address = port, name, address
        self.validity_s = validity_s
        self.listens, self.manages, self.dns_manages = (free_port(socket.SOCK_STREAM) for _ in range(3))
        self.dns = free_port(socket.SOCK_DGRAM)
        self.ca_file, self.chain, self.key = certified(directory / "pebble", ["localhost", "127.0.0.1"])
        self.processes = []

    @property
    def url(self):
        return f"https://localhost:{self.listens}/dir"

    @property
    def flags(self):
        """What a server is started with so that it asks this authority."""
        flags = ["--tls", "auto", "--acme-accept-terms", "--acme-directory", self.url]
        return [*flags, "--acme-ca-file", str(self.ca_file)]

    def __enter__(self):
        config = {
            "listenAddress": f"127.0.0.1:{self.listens}",
            "managementListenAddress": f"127.0.0.1:{self.manages}",
            "certificate": str(self.chain),
            "privateKey": str(self.key),
            "httpPort": self.port,
            "tlsPort": self.port,
        }
        if self.validity_s:
            config["certificateValidityPeriod"] = self.validity_s
        path = self.directory / "pebble.json"
        path.write_text(json.dumps({"pebble": config}))
        names = ["-dns01", f"127.0.0.1:{self.dns}", "-management", f"127.0.0.1:{self.dns_manages}"]
        others = ["-http01", "", "-https01", "", "-tlsalpn01", ""]
        self._run("pebble-challtestsrv", *names, *others, "-defaultIPv4", self.address, "-defaultIPv6", "")
        self._run("pebble", "-config", str(path), "-dnsserver", f"127.0.0.1:{self.dns}")
        eventually(self.root, what="pebble answers")
        return self

    def _run(self, *command):
        with open(OUTPUT / "test_acme_pebble.log", "a", encoding="utf-8") as log:
            environment = {**os.environ, "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_AUTHZREUSE": "0"}
            self.processes.append(
                subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
            )

    def root(self):
        """The root certificate of what it issues, as PEM; None before it answers."""
        with contextlib.suppress(ConnectionError):
            return fetch(f"https://localhost:{self.manages}/roots/0", trust=self.ca_file).text
        return None

    def lose(self):
        """Lets nobody find the address of the name, until `find`."""
        self._names("set-servfail")

    def find(self):
        """Undoes `lose`."""
        self._names("clear-servfail")

    def _names(self, what):
        url = f"http://127.0.0.1:{self.dns_manages}/{what}"
        answer = fetch(url, "POST", {"host": f"{self.name}."})
        assert answer.status == 200, answer.text

    def __exit__(self, *_):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class StandIn:
    """An authority that keeps the payload of each order and refuses it, as too many, with a Retry-After."""

    def __init__(self, directory, retry_after_s, suggests=None):
        self.ca_file, chain, key = certified(directory / "stand-in", ["localhost"])
        self.orders, self.asked, self.accounts = [], [], []
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def _send(self, status, body, **headers):
                text = json.dumps(body).encode()
                self.send_response(status)
                all_headers = {"Replay-Nonce": "nonce", "Content-Type": "application/json", **headers}
                for name, value in all_headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(text)

            def do_HEAD(self):
                self._send(200, {})

            def do_GET(self):
                if self.path.startswith("/renewal/"):
                    owner.asked.append(self.path.removeprefix("/renewal/"))
                    return self._send(200, {"suggestedWindow": suggests}, Retry_After="3600")
                names = {"newNonce": "nonce", "newAccount": "account", "newOrder": "order"}
                if suggests:
                    names["renewalInfo"] = "renewal"
                meta = {"profiles": {"classic": "usual", "shortlived": "six days"}}
                return self._send(200, {**{name: f"{owner.base}/{path}" for name, path in names.items()}, "meta": meta})

            def do_POST(self):
                signed = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                payload = json.loads(base64.urlsafe_b64decode(signed["payload"] + "=="))
                if self.path == "/account":
                    owner.accounts.append(payload)
                    return self._send(201, {"status": "valid"}, Location=f"{owner.base}/account/1")
                owner.orders.append(payload)
                problem = {"type": "urn:ietf:params:acme:error:rateLimited", "detail": "too many, said to 192.0.2.77"}
                return self._send(429, problem, Retry_After=str(retry_after_s))

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.base = f"https://localhost:{self.server.server_port}"
        self.url = f"{self.base}/dir"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    @property
    def flags(self):
        flags = ["--tls", "auto", "--acme-accept-terms", "--acme-directory", self.url]
        return [*flags, "--acme-ca-file", str(self.ca_file)]

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(STOP_S)
