"""Admission of HTTP: limits per client, trusted proxies, host names, and the effects of a slow store."""

import contextlib
import hashlib
import http.client
import json
import os
import pathlib
import re
import resource
import shutil
import socket
import subprocess
import threading
import time

import botocore.exceptions
import pytest

from support import api
from support.ports import free_port
from support.server import Server, binary, clean_environment
from support.tokens import KeyPair
from support.wait import eventually
from test_sigv4 import signed

# A machine that does other things meanwhile takes its time.
SOON_S = 30


def connect(server):
    return socket.create_connection(("127.0.0.1", server.http_port), SOON_S)


def head(method, path, headers=(), host="x", length=0):
    """The head of a request, as bytes."""
    lines = [f"{method} {path} HTTP/1.1", f"Content-Length: {length}"]
    lines += [f"Host: {host}"] if host is not None else []
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def answer(connection):
    """(status, headers in lower case, body) of the next answer."""
    stream = connection.makefile("rb")
    status = int(stream.readline().split()[1])
    headers = {}
    while (line := stream.readline().strip()) != b"":
        name, _, value = line.decode().partition(":")
        headers[name.lower()] = value.strip()
    return status, headers, stream.read(int(headers.get("content-length", 0))).decode()


def ask(server, *arguments, **options):
    with connect(server) as connection:
        connection.sendall(head(*arguments, **options))
        return answer(connection)


def rss_mib(server):
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024


def rest(connection):
    """What else the server sends until it closes, or resets because bytes of ours are unread."""
    received = b""
    with contextlib.suppress(ConnectionError):
        while more := connection.recv(4096):
            received += more
    return received


@contextlib.contextmanager
def served(tmp_path, *arguments, **options):
    server = Server(tmp_path / "data", *arguments, name="test_door", **options).start()
    yield server
    server.stop()


@contextlib.contextmanager
def many_descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_who_may_not_ask_is_refused_before_the_body(server, stages):
    """Sends no part of the bodies, so that a server that waited for them would wait forever."""
    key, _ = server.credentials()
    good = signed(server, body=b"x" * 1000)
    unknown = [(name, value.replace(key, "AKIAUNKNOWN")) for name, value in good.items()]
    other = [(name, value.replace("/ivs/", "/s3/")) for name, value in good.items()]
    stale = [(name, "20200101T000000Z" if name == "X-Amz-Date" else value) for name, value in good.items()]
    sdp = ("Content-Type", "application/sdp")
    token = ("Authorization", f"Bearer {stages.token(stages.create())[1]}")
    for path, headers, length, status, code in (
        ("/ListStages", (), 1000, 403, "MissingAuthenticationTokenException"),
        ("/ListStages", unknown, 1000, 403, "UnrecognizedClientException"),
        ("/ListStages", other, 1000, 403, "InvalidSignatureException"),
        ("/ListStages", stale, 1000, 403, "InvalidSignatureException"),
        ("/ListStages", good.items(), 131_073, 413, "RequestEntityTooLargeException"),
        ("/CreateStage", (), 524_289, 413, "RequestEntityTooLargeException"),
        ("/whip", [sdp], 1000, 401, "TOKEN_MISSING"),
        ("/whip", [sdp, ("Authorization", "Bearer a.b.c")], 1000, 401, "TOKEN_MALFORMED"),
        ("/whip", [("Content-Type", "text/plain"), token], 1000, 415, "CONTENT_TYPE"),
        ("/whip", [sdp, token], 131_073, 413, "TOO_LARGE"),
        ("/whep/a", [sdp], 1000, 401, "TOKEN_MISSING"),
        ("/whip/publish/a", [sdp], 1000, 401, "TOKEN_MISSING"),
        ("/console/api/watch", (), 1000, 401, "CONSOLE_KEY"),
        ("/console/api/path-check", (), 1000, 401, "CONSOLE_KEY"),
        ("/console/api/path-check/end", (), 1000, 401, "CONSOLE_KEY"),
    ):
        got, headers, body = ask(server, "POST", path, headers, host=server.address, length=length)
        said = headers.get("x-amzn-errortype") or json.loads(body)["code"]
        assert (got, said) == (status, code), (path, body)


def test_a_promised_hash_proves_the_signature_before_the_body(server):
    """Only the holder of the key has the server read a body then."""
    body = b'{"maxResults":10}'
    digest = hashlib.sha256(body).hexdigest()
    for wrong, status in ((False, 200), (True, 403)):
        keys = (server.credentials()[0], "x" * 40) if wrong else None
        headers = signed(server, body=body, keys=keys)
        # Sign again with the header among those that are signed.
        headers = signed_with_hash(server, body, digest, keys)
        with connect(server) as connection:
            connection.sendall(head("POST", "/ListStages", headers, host=server.address, length=len(body)))
            if not wrong:
                connection.sendall(body)
            assert answer(connection)[0] == status
    with connect(server) as connection:
        headers = signed_with_hash(server, body, digest, None)
        connection.sendall(head("POST", "/ListStages", headers, host=server.address, length=len(body)))
        connection.sendall(body.replace(b"10", b"11"))
        status, headers, _ = answer(connection)
        assert (status, headers["x-amzn-errortype"]) == (403, "InvalidSignatureException")


def signed_with_hash(server, body, digest, keys):
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    access_key, secret_key = keys or server.credentials()
    headers = {"Content-Type": "application/json", "X-Amz-Content-SHA256": digest}
    request = AWSRequest(method="POST", url=f"{server.url}/ListStages", data=body, headers=headers)
    SigV4Auth(Credentials(access_key, secret_key), "ivs", api.REGION).add_auth(request)
    return request.headers.items()


def test_unfinished_bodies_of_strangers_cost_little(tmp_path):
    with served(tmp_path) as server, many_descriptors(), contextlib.ExitStack() as stack:
        before = rss_mib(server)
        body = b"x" * 200_000
        connections = []
        for number in range(300):
            connection = stack.enter_context(connect(server))
            path = "/CreateStage" if number % 2 else "/whip"
            connection.sendall(head("POST", path, [("Content-Type", "application/sdp")], length=120_000))
            with contextlib.suppress(ConnectionError):
                connection.sendall(body[:110_000])
            connections.append(connection)
        assert {answer(connection)[0] for connection in connections} == {401, 403}
        # 33 MB were sent.
        assert rss_mib(server) - before < 20


def test_a_body_has_its_time(server):
    """What stops coming is cut, in the form of the service; what drips is cut too."""

    def slow(drip, answers):
        with connect(server) as connection:
            headers = signed(server, body=b"x" * 1000).items()
            connection.sendall(head("POST", "/ListStages", headers, host=server.address, length=1000))
            stop = threading.Event()

            def send():
                with contextlib.suppress(OSError):
                    while drip and not stop.wait(1):
                        connection.sendall(b"x")

            dripping = threading.Thread(target=send)
            dripping.start()
            began = time.monotonic()
            status, headers, body = answer(connection)
            answers.append((status, headers["x-amzn-errortype"], json.loads(body)["message"], time.monotonic() - began))
            stop.set()
            dripping.join()

    answers = [[], []]
    threads = [threading.Thread(target=slow, args=(drip, answers[drip])) for drip in (False, True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for [(status, code, message, waited_s)], least_s in zip(answers, (5, 15), strict=True):
        assert (status, code) == (408, "RequestTimeoutException")
        assert "within 15 seconds" in message
        assert least_s - 1 < waited_s < least_s + SOON_S


def proxied(address):
    """A PROXY protocol header, version 2, that names this client."""
    return (
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"
        + socket.inet_aton(address)
        + socket.inet_aton("127.0.0.1")
        + b"\1\1\0\x50"
    )


def test_one_address_has_so_many_connections(tmp_path):
    """A trusted proxy reports the client of a connection or request; unreported clients are not counted."""
    arguments = ("--trusted-proxies", "127.0.0.1,10.0.0.0/8", "--connections-per-address", "3")
    with served(tmp_path, *arguments, environment={"RUST_LOG": "restage_server=debug"}) as server:
        with contextlib.ExitStack() as stack:

            def status(beginning, *arguments, **options):
                connection = stack.enter_context(connect(server))
                connection.sendall(beginning + head(*arguments, **options))
                return answer(connection)

            get = ("GET", "/healthz")
            assert [status(proxied("203.0.113.7"), *get)[0] for _ in range(4)] == [200, 200, 200, 429]
            refused = status(proxied("203.0.113.7"), *get)
            assert json.loads(refused[2])["code"] == "TOO_MANY_CONNECTIONS"
            assert status(proxied("203.0.113.8"), *get)[0] == 200
            assert {status(b"", *get)[0] for _ in range(8)} == {200}
        # Requests under way, over connections of a proxy of HTTP's.
        with contextlib.ExitStack() as stack:

            def begin_request():
                connection = stack.enter_context(connect(server))
                headers = [
                    *signed(server, body=b"x" * 1000).items(),
                    ("X-Forwarded-For", "1.1.1.1, 203.0.113.9, 10.1.1.1"),
                ]
                connection.sendall(head("POST", "/ListStages", headers, host=server.address, length=1000))

            for _ in range(3):
                begin_request()

            def is_full():
                full = ask(server, "POST", "/ListStages", [("X-Forwarded-For", "203.0.113.9")])
                if full[0] == 429:
                    return full[1]["x-amzn-errortype"] == "ThrottlingException"
                # On a busy machine this question itself may have taken the place of one of them.
                begin_request()
                return False

            eventually(is_full, what="the address has all it may have")
            media = ask(server, "POST", "/whip", [("X-Forwarded-For", "203.0.113.9")])
            assert media[0] == 429 and json.loads(media[2])["code"] == "TOO_MANY_CONNECTIONS"
            assert ask(server, "POST", "/whip", [("X-Forwarded-For", "203.0.113.10")])[0] == 401
            assert ask(server, "POST", "/whip")[0] == 401
        eventually(lambda: ask(server, "POST", "/whip", [("X-Forwarded-For", "203.0.113.9")])[0] == 401)
        eventually(lambda: any("client=203.0.113.10" in re.sub(r"\x1b\[[0-9;]*m", "", line) for line in server.log))


def test_whom_no_trusted_proxy_names_is_not_believed(server):
    """From other peers the PROXY header is refused, and X-Forwarded-For is ignored."""
    with connect(server) as connection:
        connection.sendall(proxied("203.0.113.7") + head("GET", "/healthz"))
        assert not rest(connection).startswith(b"HTTP/1.1 200")
    assert ask(server, "GET", "/healthz", [("X-Forwarded-For", "203.0.113.7")])[0] == 200


def test_newcomers_are_served_while_slow_connections_hang(tmp_path, monkeypatch):
    """With few descriptors, those that wait for nothing go; the soft limit is raised to the hard one before."""
    wrapper = tmp_path / "restage"
    wrapper.write_text(f'#!/bin/sh\nulimit -Sn 100; ulimit -Hn 400; exec "{binary()}" "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("RESTAGE_BINARY", str(wrapper))
    with served(tmp_path) as server, many_descriptors(), contextlib.ExitStack() as stack:
        limits = pathlib.Path(f"/proc/{server.process.pid}/limits").read_text(encoding="ascii")
        assert re.search(r"Max open files\s+400\s+400", limits)
        stages = api.Stages(api.client(server))
        stages.create()
        for number in range(1200):
            connection = stack.enter_context(connect(server))
            connection.sendall(b"GET /healthz HTTP/1.1\r\nX: " if number % 2 else b"")
        began = time.monotonic()
        assert ask(server, "GET", "/healthz")[0] == 200
        waited_s = time.monotonic() - began
        print(f"a newcomer waited {waited_s * 1000:.0f} ms behind 1200 slow connections with 400 descriptors")
        # Less than it takes for the slow ones to run out of time.
        assert waited_s < 8
        stages.create()
        assert len(os.listdir(f"/proc/{server.process.pid}/fd")) <= 400
        lines = [line for line in server.log if "could not be accepted" in line]
        assert len(lines) < 5, lines


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b"POST /ListStages HTTP/1.1\r\nHost: x\r\nX: ",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=["nothing", "half a head", "an answered request"],
)
def test_a_stop_does_not_wait_for_who_has_not_asked(tmp_path, beginning):
    server = Server(tmp_path / "data", name="test_door").start()
    with connect(server) as connection:
        connection.sendall(beginning)
        if beginning.endswith(b"\r\n\r\n"):
            assert answer(connection)[0] == 200
        began = time.monotonic()
        server.stop()
        print(f"stopped after {time.monotonic() - began:.2f} s")
        assert time.monotonic() - began < 8
        assert not rest(connection), "it is closed and was sent nothing more"


def test_a_stop_does_not_wait_for_who_reads_metrics(tmp_path):
    port = free_port(socket.SOCK_STREAM)
    server = Server(tmp_path / "data", "--metrics", f"127.0.0.1:{port}", name="test_door").start()
    with socket.create_connection(("127.0.0.1", port), SOON_S) as connection:
        connection.sendall(head("GET", "/metrics", host=f"127.0.0.1:{port}"))
        assert answer(connection)[0] == 200
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 8


def test_a_stop_waits_a_moment_for_a_body(tmp_path):
    server = Server(tmp_path / "data", name="test_door").start()
    with connect(server) as connection:
        headers = signed(server, body=b"x" * 1000).items()
        connection.sendall(head("POST", "/ListStages", headers, host=server.address, length=1000) + b"x")
        # The server reads it when another connection's request, which came later, is answered.
        assert ask(server, "GET", "/healthz")[0] == 200
        began = time.monotonic()
        server.stop()
        print(f"stopped after {time.monotonic() - began:.2f} s")
        assert time.monotonic() - began < 8
        status, headers, _ = answer(connection)
        assert (status, headers["x-amzn-errortype"]) == (503, "ServiceUnavailableException")


def test_a_request_has_one_host(server):
    for target, headers, host in (
        ("/ListStages", [("Host", "x")], "x"),
        ("/ListStages", [("Host", "y")], "x"),
        ("http://x/ListStages", [], "y"),
        ("/ListStages", [], None),
    ):
        status, answered, body = ask(server, "POST", target, headers, host=host)
        assert (status, answered["x-amzn-errortype"]) == (400, "ValidationException"), target
        assert "Host" in json.loads(body)["message"] and answered["x-amzn-requestid"]
        status, answered, body = ask(server, "POST", target.replace("ListStages", "whip"), headers, host=host)
        assert (status, json.loads(body)["code"]) == (400, "INVALID_HOST")
        assert answered["access-control-allow-origin"] == "*"
        status, _, body = ask(server, "GET", target.replace("ListStages", "healthz"), headers, host=host)
        assert (status, json.loads(body)["code"]) == (400, "INVALID_HOST")


def test_a_listener_for_metrics_on_loopback_answers_loopback_alone(tmp_path):
    port = free_port(socket.SOCK_STREAM)
    server = Server(tmp_path / "data", "--metrics", f"127.0.0.1:{port}", name="test_door_metrics").start()
    for host, status in ((f"127.0.0.1:{port}", 200), (f"localhost:{port}", 200), ("rebound.example", 421)):
        asking = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        asking.request("GET", "/metrics", headers={"Host": host})
        assert asking.getresponse().status == status, host
        asking.close()
    server.stop()


def test_what_needs_no_credentials_is_answered_under_own_names(server):
    port = server.http_port
    page = ask(server, "GET", "/console/", host=f"localhost:{port}")[2]
    [script] = re.findall(r'src="\./(\S+\.js)"', page)
    for path in ("/console/", "/metrics", f"/console/{script}"):
        for host in (f"127.0.0.1:{port}", f"localhost:{port}", "[::1]", server.address):
            assert ask(server, "GET", path, host=host)[0] == 200, (path, host)
        for host in ("rebound.example", f"rebound.example:{port}", "127.0.0.1.rebound.example"):
            status, _, body = ask(server, "GET", path, host=host)
            assert (status, json.loads(body)["code"]) == (421, "HOST_UNKNOWN"), (path, host)
    # These do not depend on the Host.
    assert ask(server, "GET", "/healthz", host="probe")[0] == 200
    assert ask(server, "GET", "/readyz", host="probe")[0] == 200
    foreign = [("Origin", "https://attacker.example"), ("Authorization", "Bearer x")]
    status, _, body = ask(server, "GET", "/console/api/state", foreign, host=server.address)
    assert (status, json.loads(body)["code"]) == (403, "ORIGIN_FOREIGN")


def test_without_auth_only_own_names_and_pages_call(tmp_path):
    with served(tmp_path, "--auth", "none", "--public-url", "https://video.example.org") as server:
        own = server.address
        for host, origin, status in (
            (own, None, 200),
            (own, f"http://{own}", 200),
            (f"localhost:{server.http_port}", f"http://localhost:{server.http_port}", 200),
            ("video.example.org", "https://video.example.org", 200),
            (own, "https://video.example.org", 200),
            (own, "https://attacker.example", 403),
            (own, "null", 403),
            (own, f"http://localhost:{server.http_port}", 403),
            ("rebound.example", None, 403),
            ("rebound.example", "http://rebound.example", 403),
        ):
            headers = [] if origin is None else [("Origin", origin)]
            got, answered, body = ask(server, "POST", "/ListStages", headers, host=host)
            assert got == status, (host, origin, body)
            if status == 403:
                assert answered["x-amzn-errortype"] == "AccessDeniedException"
        # Pages of any origin may publish and watch: the token says what is allowed.
        foreign = [("Origin", "https://attacker.example"), ("Content-Type", "application/sdp")]
        assert ask(server, "POST", "/whip", foreign)[0] == 401
        assert api.client(server).list_stages()["stages"] == []


def test_with_auth_any_name_and_origin_may_sign(server):
    """A signature covers the Host header, and no page has the key by itself."""
    headers = [*signed(server).items(), ("Origin", "https://page.example")]
    with connect(server) as connection:
        connection.sendall(head("POST", "/ListStages", headers, host=server.address, length=17) + b'{"maxResults":10}')
        assert answer(connection)[0] == 200


def test_without_auth_a_server_is_exposed_only_if_told_twice(tmp_path):
    command = [str(binary()), "serve", "--data-dir", str(tmp_path / "x"), "--http", "0.0.0.0:0", "--auth", "none"]
    refused = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, timeout=60)
    assert refused.returncode == 2 and "  try: " in refused.stderr, refused.stderr
    assert "expose-without-auth" in refused.stderr, refused.stderr
    arguments = ("--auth", "none", "--expose-without-auth", "--media-ip", "127.0.0.1")
    with served(tmp_path, *arguments, host="0.0.0.0") as server:
        assert server.logged("WARN", "may call every operation")
        # An address cannot be rebound; a name is another matter.
        assert ask(server, "POST", "/ListStages", host="192.0.2.7")[0] == 200
        assert ask(server, "POST", "/ListStages", host="rebound.example")[0] == 403


def test_wrong_signatures_cost_once_and_many_are_stopped(tmp_path):
    """An address that sends many tokens with wrong signatures must wait; a valid token from the same address that was
    verified before is still accepted."""
    with served(tmp_path, "--trusted-proxies", "127.0.0.1") as server:
        ivs = api.client(server)
        key = KeyPair().import_into(ivs)
        stage = ivs.create_stage()["stage"]
        good = key.token(stage)
        signed_part, _, signature = good.rpartition(".")

        def present(token, address):
            headers = [("Authorization", f"Bearer {token}"), ("Content-Type", "application/sdp")]
            headers += [("X-Forwarded-For", address)] if address else []
            status, _, body = ask(server, "POST", "/whip", headers)
            return status, json.loads(body)["code"]

        def wrong(number):
            return f"{signed_part}.{number:04d}{signature[4:]}"

        assert present(good, "203.0.113.1") == (400, "INVALID_SDP")
        # The same again is known.
        assert {present(wrong(0), "203.0.113.1") for _ in range(80)} == {(401, "TOKEN_MALFORMED")}
        codes = [present(wrong(number), "203.0.113.1")[1] for number in range(1, 400)]
        assert codes[:40] == ["TOKEN_MALFORMED"] * 40 and "TOO_OFTEN" in codes
        assert present(good, "203.0.113.1") == (400, "INVALID_SDP")
        assert present(key.token(stage), "203.0.113.2") == (400, "INVALID_SDP")


@pytest.mark.skipif(bool(os.environ.get("RESTAGE_TEST_POSTGRES")), reason="the disk is held up, which is SQLite's")
def test_a_call_that_waits_too_long_never_takes_effect(tmp_path):
    """The disk takes 24 s: the call that the writer has begun with is answered when it is done, those behind it are
    refused in the service's form and leave nothing."""
    if shutil.which("strace") is None:
        assert not os.environ.get("CI"), "CI has strace"
        print("skipped: strace is not installed")
        pytest.skip("strace is not installed")
    with served(tmp_path) as server:
        stages = api.client(server, checked=False)
        stages.create_stage(name="before")
        delay = ["-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:delay_enter=24000000:when=1"]
        tracer = subprocess.Popen(
            ["strace", "-f", "-o", "/dev/null", "-p", str(server.process.pid), *delay],
            stderr=subprocess.PIPE,
            text=True,
        )
        outcomes = {}

        def create(name):
            ivs = api.client(server, checked=False)
            began = time.monotonic()
            try:
                ivs.create_stage(name=name)
                outcomes[name] = ("created", time.monotonic() - began)
            except botocore.exceptions.ClientError as error:
                status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                outcomes[name] = (status, error.response["Error"]["Code"], error.response["Error"]["Message"])

        try:
            assert "attached" in tracer.stderr.readline()
            first = threading.Thread(target=create, args=("first",))
            first.start()
            eventually(lambda: "restage_store_queue" in ask(server, "GET", "/metrics", host=server.address)[2])
            time.sleep(1)
            late = [threading.Thread(target=create, args=(f"late{number}",)) for number in range(3)]
            for thread in [*late]:
                thread.start()
            for thread in [first, *late]:
                thread.join()
        finally:
            tracer.terminate()
            tracer.wait()
        assert outcomes["first"][0] == "created" and outcomes["first"][1] > 20, outcomes
        for number in range(3):
            status, code, message = outcomes[f"late{number}"]
            assert (status, code) == (503, "ServiceUnavailableException")
            assert "nothing was changed" in message
        names = {stage["name"] for stage in stages.list_stages()["stages"]}
        assert names == {"before", "first"}
