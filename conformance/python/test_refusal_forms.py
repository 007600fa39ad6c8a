"""Whatever layer refuses a request, a client reads one form, that of its path, and which request it was."""

import json
import re
import socket

import pytest

from test_whip import ORIGIN, SDP, bearer

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")

MEDIA_PATHS = [
    "/",
    "/whip",
    "/whip/",
    "/whip/publish/a",
    "/whip/publish/%ff",
    "/whip/subscribe/a%00",
    "/publish/a",
    "/whep/a",
    "/whep/a/",
    "/whep/%00",
    "/whip/sessions/a",
    "/whip/sessions/%ff",
    "/events/a",
    "/events/%ff",
    # Paths that do not exist.
    "/whip/a/b/c",
    "/whep",
    "/whep/a/b",
    "/events",
    "/events/a/b",
    "/whip/sessions",
]
API_PATHS = ["/ListStages", "/CreateComposition", "/Nothing", "/tags/a", "/tags", "/ListStages/", "/a/b/c", "/%ff"]
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "BREW"]
WEBSOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


def ask(server, method, target, headers=(), body=b""):
    """(status, headers in lower case, body) of a request as it is written here."""
    lines = [
        f"{method} {target} HTTP/1.1",
        f"Host: {server.address}",
        "Connection: close",
        f"Content-Length: {len(body)}",
    ]
    lines += [f"{name}: {value}" for name, value in dict(headers).items()]
    if "Upgrade" in dict(headers):
        lines.remove("Connection: close")
    with socket.create_connection(("127.0.0.1", server.http_port), 20) as connection:
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        stream = connection.makefile("rb")
        status = int(stream.readline().split()[1])
        answered = {}
        while (line := stream.readline().strip()) != b"":
            name, _, value = line.decode().partition(":")
            answered[name.lower()] = value.strip()
        length = 0 if method == "HEAD" else int(answered.get("content-length", 0))
        return status, answered, stream.read(length).decode()


def assert_media_form(answer, method="POST"):
    status, headers, text = answer
    assert status >= 400
    assert UUID.fullmatch(headers["x-amzn-requestid"])
    assert headers["content-type"] == "application/json"
    assert headers["access-control-allow-origin"] == "*"
    assert "retry-after" in headers["access-control-expose-headers"].lower()
    if method == "HEAD":
        return None
    body = json.loads(text)
    assert set(body) == {"code", "message"}
    assert re.fullmatch(r"[A-Z_]+", body["code"])
    assert len(body["message"]) > 10
    return body


def assert_api_form(answer, method="POST"):
    status, headers, text = answer
    assert status >= 400
    assert UUID.fullmatch(headers["x-amzn-requestid"])
    assert headers["x-amzn-errortype"].isalpha()
    assert headers["access-control-allow-origin"] == "*"
    if method == "HEAD":
        return None
    body = json.loads(text)
    assert set(body) == {"message", "exceptionMessage"}
    return body


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", MEDIA_PATHS)
def test_paths_of_participants(server, method, path):
    for headers in ({}, {"Content-Type": "text/plain", "Authorization": "Bearer abc", "Origin": ORIGIN}):
        answer = ask(server, method, path, headers)
        if (method, path) in (("GET", "/"), ("HEAD", "/")):
            assert answer[0] == 307
            continue
        assert_media_form(answer, method)
        if answer[0] == 405:
            assert answer[1]["allow"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", API_PATHS)
def test_paths_of_the_api(server, method, path):
    assert_api_form(ask(server, method, path), method)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/whep", 404, "NOT_FOUND"),
        ("GET", "/whip", 405, "METHOD_NOT_ALLOWED"),
        ("POST", "/events/a", 405, "METHOD_NOT_ALLOWED"),
        ("PUT", "/whip/sessions/a", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/events/a", 426, "UPGRADE_REQUIRED"),
        ("POST", "/whep/%ff", 400, "INVALID_PATH"),
        ("POST", "/whip", 401, "TOKEN_MISSING"),
    ],
)
def test_each_layer_has_its_code(server, method, path, status, code):
    answer = ask(server, method, path)
    assert answer[0] == status
    assert assert_media_form(answer)["code"] == code


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"Sec-WebSocket-Version": "8"}, 426, "UPGRADE_REQUIRED"),
        ({"Upgrade": "h2c"}, 426, "UPGRADE_REQUIRED"),
        ({"Sec-WebSocket-Key": None}, 400, "INVALID"),
        ({}, 401, "TOKEN_MISSING"),
        ({"Sec-WebSocket-Protocol": "abc"}, 401, "TOKEN_MALFORMED"),
    ],
)
def test_handshakes_that_fail(server, change, status, code):
    headers = {name: value for name, value in {**WEBSOCKET, **change}.items() if value is not None}
    answer = ask(server, "GET", "/events/a", headers)
    assert answer[0] == status
    assert assert_media_form(answer)["code"] == code
    if status == 426:
        assert answer[1]["upgrade"] == "websocket"
        assert answer[1]["sec-websocket-version"] == "13"


@pytest.mark.parametrize("size", [131_073, 1_000_000, 6_000_000])
def test_a_body_that_is_too_large(server, stages, size):
    """The body is read to its end, though not kept: a client that is still sending would miss the refusal."""
    headers = bearer(stages.token(stages.create())[1], Content_Type=SDP)
    answer = ask(server, "POST", "/whip", headers, b"x" * size)
    assert answer[0] == 413
    body = assert_media_form(answer)
    assert body["code"] == "TOO_LARGE" and "131072" in body["message"]
    answer = ask(server, "POST", "/CreateStage", {}, b"x" * max(size, 600_000))
    assert answer[0] == 413
    assert_api_form(answer)
    assert answer[1]["x-amzn-errortype"] == "RequestEntityTooLargeException"


def test_a_body_that_ends_too_early_or_is_none(server, stages):
    headers = bearer(stages.token(stages.create())[1], Content_Type=SDP)
    lines = [f"{name}: {value}" for name, value in headers.items()]
    # The second one is not signed, so its body is not read.
    for path, status, check in (("/whip", 400, assert_media_form), ("/CreateStage", 403, assert_api_form)):
        head = [f"POST {path} HTTP/1.1", "Host: x", "Transfer-Encoding: chunked", *lines]
        with socket.create_connection(("127.0.0.1", server.http_port), 20) as connection:
            connection.sendall("\r\n".join(head).encode() + b"\r\n\r\nZZ\r\n")
            answer = connection.makefile("rb").read()
        line, _, rest = answer.partition(b"\r\n")
        head, _, body = rest.partition(b"\r\n\r\n")
        fields = dict(line.decode().lower().split(": ", 1) for line in head.split(b"\r\n"))
        assert line.split()[1] == str(status).encode()
        check((status, fields, body.decode()))


def test_answers_that_are_no_refusal_say_which_request_it_was(server):
    for method, path in (("OPTIONS", "/whip"), ("GET", "/"), ("GET", "/console/"), ("GET", "/healthz")):
        status, headers, _ = ask(server, method, path)
        assert status < 400
        assert method == "OPTIONS" or UUID.fullmatch(headers["x-amzn-requestid"]), path


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/console/", b"", 405),
        ("GET", "/console/nothing", b"", 404),
        ("GET", "/console/api/watch", b"", 405),
        ("POST", "/console/api/watch", b"{", 401),
        ("POST", "/healthz", b"", 405),
        ("DELETE", "/readyz", b"", 405),
    ],
)
def test_other_paths_of_the_server_have_the_same_form(server, method, path, body, status):
    answer = ask(server, method, path, {"Content-Type": "application/json"}, body)
    assert answer[0] == status
    assert UUID.fullmatch(answer[1]["x-amzn-requestid"])
    assert set(json.loads(answer[2])) == {"code", "message"}


def test_the_console_names_what_is_wrong_with_a_body(server):
    console = json.loads((server.data_dir / "server.json").read_text())["console"]
    key = console.split("#key=")[1]
    for body, kind in ((b"{", "application/json"), (b"{}", "application/json"), (b"{}", "text/plain")):
        headers = {"Authorization": f"Bearer {key}", "Content-Type": kind}
        status, _, text = ask(server, "POST", "/console/api/watch", headers, body)
        assert status in (400, 415, 422)
        assert json.loads(text)["code"] == "INVALID"
