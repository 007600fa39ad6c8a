"""S3 as moto has it, and a proxy in front of it that fails in every way in which a network or a service does."""

import contextlib
import enum
import re
import socket
import socketserver
import threading
import time

import boto3
from moto.server import ThreadedMotoServer

from support.place import BUCKET
from support.proxy import read_head, relay
from support.recording import Bucket

LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
CUT_BYTES = 3_000
SLOW_BYTES = 8_192
# 80 kB a second, less than what is recorded.
SLOW_S = 0.1


def refusal(status, code):
    body = b"<Error><Code>%b</Code><Message>Not now.</Message></Error>" % code
    head = b"HTTP/1.1 %b\r\nContent-Type: application/xml\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    return head % (status, len(body)) + body


REFUSAL = refusal(b"503 Slow Down", b"SlowDown")
EXPIRY = refusal(b"400 Bad Request", b"ExpiredToken")


class S3:
    """An S3 by moto, which can go away and come back with what it has. `proxy` is what the server asks instead."""

    KEY, SECRET = "key", "secret"

    def __init__(self, proxy=None):
        self.port = 0
        self.start()
        self.proxy = proxy and proxy(self.port)
        self.client = self._client()
        self.client.create_bucket(Bucket=BUCKET)

    def start(self):
        self.server = ThreadedMotoServer(ip_address="127.0.0.1", port=self.port, verbose=False)
        self.server.start()
        _, self.port = self.server.get_host_and_port()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def _client(self):
        keys = {"aws_access_key_id": self.KEY, "aws_secret_access_key": self.SECRET}
        return boto3.client("s3", endpoint_url=self.url, region_name="us-east-1", **keys)

    def configuration(self, directory):
        """A file of settings for `restage serve --config`: all buckets are here."""
        endpoint = self.proxy.url if self.proxy else self.url
        path = directory / "restage.toml"
        path.write_text(f'[[s3]]\nendpoint = "{endpoint}"\npath-style = true\n', encoding="utf-8")
        return path

    def stop(self):
        self.server.stop()

    def names(self, prefix):
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{prefix}/")
        return [item["Key"].removeprefix(f"{prefix}/") for page in pages for item in page.get("Contents", [])]

    def copy(self, prefix, directory):
        """What is below a prefix, as a folder."""
        for name in self.names(prefix):
            path = directory / prefix / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.client.get_object(Bucket=BUCKET, Key=f"{prefix}/{name}")["Body"].read())
        return Bucket(directory)


class Fault(enum.Enum):
    """What happens to a request."""

    NONE = "none"
    REFUSED = "503, and nothing is stored"
    EXPIRED = "the credentials have expired"
    STALLED = "no answer"
    CUT = "the connection ends after some bytes of the body"
    UNHEARD = "it is done, and the connection ends before the answer"
    SLOW = "80 kB a second"


class FaultyProxy:
    """Forwards each request to a port of loopback, or fails as `choose` says, which is called for each request."""

    def __init__(self, target):
        self.target = target
        self.choose = lambda: Fault.NONE
        self.met = dict.fromkeys(Fault, 0)
        self._calmed = threading.Event()
        proxy = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                with contextlib.suppress(OSError):
                    proxy._serve(self.request)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def fail(self, choose):
        """Requests fail as `choose()` says from here on."""
        self._calmed.clear()
        self.choose = choose

    def calm(self):
        """Requests succeed from here on; those that stall end."""
        self.choose = lambda: Fault.NONE
        self._calmed.set()

    def close(self):
        self._calmed.set()
        self._server.shutdown()
        self._server.server_close()

    def _serve(self, client):
        """Serves one request; then the connection ends."""
        head, rest = read_head(client)
        if head is None:
            return
        fault = self.choose()
        self.met[fault] += 1
        if fault in (Fault.REFUSED, Fault.EXPIRED):
            receive_rest(client, head, rest)
            client.sendall(REFUSAL if fault is Fault.REFUSED else EXPIRY)
        elif fault is Fault.STALLED:
            self._calmed.wait()
        elif fault is Fault.CUT:
            with self._forward(head, rest[:CUT_BYTES]) as upstream:
                if len(rest) < CUT_BYTES and length_of(head):
                    upstream.sendall(client.recv(CUT_BYTES - len(rest)))
        else:
            body = receive_rest(client, head, rest, SLOW_S if fault is Fault.SLOW else 0)
            with self._forward(head, body) as upstream:
                if fault is Fault.UNHEARD:
                    # The answer has begun, so it is done.
                    upstream.recv(1)
                else:
                    relay(upstream, client)

    def _forward(self, head, body):
        """The connection to the service, to which the head and the body were sent."""
        kept = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
        upstream = socket.create_connection(("127.0.0.1", self.target), 10)
        upstream.sendall(b"\r\n".join([*kept, b"Connection: close"]) + b"\r\n\r\n" + body)
        return upstream


def length_of(head):
    found = LENGTH.search(head)
    return int(found[1]) if found else 0


def receive_rest(client, head, rest, pause_s=0):
    """The whole body, of which `rest` is there already."""
    body = bytearray(rest)
    while len(body) < length_of(head):
        more = client.recv(SLOW_BYTES)
        if not more:
            raise ConnectionResetError("the client is gone")
        body += more
        time.sleep(pause_s)
    return bytes(body)
