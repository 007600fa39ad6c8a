"""Servers that restage calls: a webhook's receiver and an S3 service. They learn what is theirs, and what they answer
leads nowhere, costs bounded memory and writes no line of its own into the log."""

import http.server
import json
import threading

import botocore.exceptions
import pytest

from support import api
from support.place import BUCKET
from support.server import Server
from support.wait import eventually, stays
from test_door import rss_mib

SECRET = "a secret only these tests know"
# What a receiver answers beyond this is not read.
FLOOD_MIB = 64
FORGED = "2026-01-01T00:00:00Z ERROR a line that the receiver wrote"


class Service:
    """An HTTP server that keeps what it is asked, and answers as `reply` says."""

    def __init__(self, reply):
        service = self
        self.asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def any(self):
                body = self.rfile.read(int(self.headers["content-length"] or 0))
                service.asked.append((self.command, self.path, dict(self.headers.items()), body))
                reply(self)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = any

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


def refuse(handler):
    handler.send_response(503)
    handler.send_header("content-length", "0")
    handler.end_headers()


@pytest.fixture
def elsewhere():
    """A service of somebody else, which nobody should ask."""
    service = Service(refuse)
    yield service
    service.close()


@pytest.fixture
def called(tmp_path):
    """Starts a server beside a service that answers in a way, and stops both."""
    running = []

    def start(reply, arguments):
        service = Service(reply)
        running.append(service.close)
        server = Server(tmp_path / "data", *arguments(service.url), name="test_called").start()
        running.append(server.stop)
        return service, server

    yield start
    for end in reversed(running):
        end()


def hook(url):
    return ("--webhook-url", f"{url}/events", "--webhook-secret", SECRET)


def happens(server, media):
    """Lets something happen of which events tell; the token with which it did."""
    stages = api.Stages(api.client(server))
    stage = stages.create("of-the-receiver")
    _, token = stages.token(stage)
    media.publish(token)
    return token


def test_a_receiver_sends_the_server_nowhere(called, media, elsewhere):
    def redirect(handler):
        handler.send_response(307)
        handler.send_header("location", f"{elsewhere.url}/admin")
        handler.send_header("content-length", "0")
        handler.end_headers()

    receiver, server = called(redirect, hook)
    happens(server, media)
    eventually(lambda: len(receiver.asked) >= 2, what="the event is tried again, where it belongs")
    assert elsewhere.asked == []
    assert server.logged("307")


def test_an_answer_without_an_end_costs_little_and_delays_nobody_else(called, media):
    sent_mib, ended = [], []

    def flood(handler):
        handler.send_response(200)
        handler.send_header("transfer-encoding", "chunked")
        handler.end_headers()
        piece = b"%x\r\n%b\r\n" % (1 << 20, b"x" * (1 << 20))
        try:
            for _ in range(FLOOD_MIB):
                handler.wfile.write(piece)
                sent_mib.append(1)
        except OSError:
            ended.append(True)

    receiver, server = called(flood, hook)
    before = rss_mib(server)
    for _ in range(2):
        happens(server, media)
    eventually(lambda: len(receiver.asked) >= 2, what="events of both stages arrive")
    eventually(lambda: len(ended) >= 2, what="the server has left both answers")
    assert rss_mib(server) - before < FLOOD_MIB, "it is not kept"
    assert len(sent_mib) < FLOOD_MIB, "it is not even read"
    assert {path for _, path, _, _ in receiver.asked} == {"/events"}


def test_events_have_no_secret_and_answers_write_no_line(called, media):
    def answer(handler):
        handler.send_response_only(500, f"no\r\n{FORGED}\x1b[31m"[:2])
        text = f"\n{FORGED}\x1b[31m\n".encode()
        handler.send_header("retry-after", "1")
        handler.send_header("content-length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text)

    receiver, server = called(answer, hook)
    token = happens(server, media)
    eventually(lambda: len(receiver.asked) >= 2, what="the event is tried again")
    key, secret = server.credentials()
    told = "".join(f"{path} {headers} {body.decode()}" for _, path, headers, body in receiver.asked)
    assert json.loads(receiver.asked[0][3])["detail"]["event_name"]
    for held in (token, key, secret, SECRET):
        assert held not in told
    assert not [line for line in server.log if FORGED in line or "\x1b[31m" in line]


def test_a_bucket_sends_the_server_nowhere(called, elsewhere, tmp_path):
    """An S3 that redirects: neither is the request repeated elsewhere, nor the signature shown there."""

    def redirect(handler):
        handler.send_response(307)
        handler.send_header("location", f"{elsewhere.url}{handler.path}")
        handler.send_header("content-length", "0")
        handler.end_headers()

    def settings(url):
        path = tmp_path / "restage.toml"
        credentials = tmp_path / "aws"
        credentials.write_text("[default]\naws_access_key_id = of-the-bucket\naws_secret_access_key = its-secret\n")
        credentials.chmod(0o600)
        service = f'endpoint = "{url}"\npath-style = true\ncredentials-file = "{credentials}"\n'
        path.write_text(f"[[s3]]\n{service}", encoding="utf-8")
        return ("--config", str(path))

    bucket, server = called(redirect, settings)
    with pytest.raises(botocore.exceptions.ClientError):
        api.client(server).create_storage_configuration(s3={"bucketName": BUCKET})
    assert bucket.asked
    stays(lambda: elsewhere.asked == [], 1, "it was asked elsewhere")
    assert "its-secret" not in server.tail(500)
