"""Requests as bytes on a kept-open connection, signed with botocore's own signer.

A client library would refuse to send most of what is sent here.
"""

import contextlib
import dataclasses
import datetime
import http.client
import json
import unittest.mock
import urllib.parse

import botocore.auth
import botocore.awsrequest
import botocore.credentials

from . import service

SIGNING_NAME = "ivs"
ANSWER_S = 30
SHOWN_MAX = 600


@dataclasses.dataclass(frozen=True)
class Request:
    """A request, before or after it was signed."""

    method: str
    target: str
    body: bytes
    headers: dict

    def __str__(self):
        return f"{self.method} {self.target} {shown(self.body)}"


@dataclasses.dataclass(frozen=True)
class Answer:
    """What came back. Header names are in lower case."""

    request: Request
    status: int
    headers: dict
    body: bytes

    @property
    def code(self):
        """The error code, or None."""
        return self.headers.get("x-amzn-errortype")

    def json(self):
        """The body; {} if it is empty, None if it is not JSON."""
        try:
            return json.loads(self.body or b"{}")
        except ValueError:
            return None

    @property
    def message(self):
        """The message of an error."""
        body = self.json()
        return str(body.get("message", "")) if isinstance(body, dict) else ""

    def __str__(self):
        return f"{self.status} {self.code or ''} {shown(self.body)}"


def shown(body):
    text = body.decode("utf-8", "backslashreplace")
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}… ({len(body)} bytes)"


def request(operation, values):
    """The unsigned request for these member values, each where the model says."""
    path = operation.http["requestUri"]
    query, body = [], {}
    known = service.members(operation)
    for name, value in values.items():
        where = service.location(known[name]) if name in known else "body"
        if where == "body":
            body[name] = value
        elif where == "uri":
            label = known[name].serialization["name"]
            path = path.replace("{" + label + "}", urllib.parse.quote(value, safe="-_.~"))
        elif where == "querystring":
            items = value if isinstance(value, list) else [value]
            query += [(known[name].serialization["name"], item) for item in items]
        else:
            raise NotImplementedError(f"{operation.name}.{name} travels in the {where}")
    # A missing label leaves an empty segment in the path.
    path = "/".join("" if part.startswith("{") else part for part in path.split("/"))
    target = path + ("?" + urllib.parse.urlencode(query, quote_via=urllib.parse.quote) if query else "")
    return raw(operation, target, encoded(body) if has_body(operation) else b"")


def has_body(operation):
    """Whether any member is in the body."""
    known = service.members(operation)
    if operation.http["method"] != "POST":
        return False
    return not known or any(service.location(member) == "body" for member in known.values())


def encoded(value):
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def raw(operation, target, body):
    headers = {"Content-Type": "application/json"} if body else {}
    return Request(operation.http["method"], target, body, headers)


class Wire:
    """One connection to the server, opened again after the server has closed it."""

    def __init__(self, server, region):
        self.port = server.http_port
        self.region = region
        self.keys = server.credentials()
        self.count = 0
        self._connection = None

    def signed(self, unsigned, keys=None, region=None, service_name=SIGNING_NAME, clock_off_s=0):
        """The same request with a SigV4 signature."""
        prepared = botocore.awsrequest.AWSRequest(
            method=unsigned.method,
            url=f"http://127.0.0.1:{self.port}{unsigned.target}",
            data=unsigned.body,
            headers=dict(unsigned.headers),
        )
        credentials = botocore.credentials.Credentials(*(keys or self.keys))
        signer = botocore.auth.SigV4Auth(credentials, service_name, region or self.region)
        if clock_off_s == 0:
            signer.add_auth(prepared)
        else:
            then = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=clock_off_s)
            clock = "botocore.auth.get_current_datetime"
            with unittest.mock.patch(clock, return_value=then.replace(tzinfo=None)):
                signer.add_auth(prepared)
        return dataclasses.replace(unsigned, headers=dict(prepared.headers.items()))

    def send(self, ready):
        """Sends a request unchanged."""
        self.count += 1
        try:
            return self._exchange(ready)
        except (http.client.RemoteDisconnected, ConnectionError):
            # The server closes idle connections, and those whose last body it did not read to the end.
            self._connection.close()
            self._connection = None
            return self._exchange(ready)

    def _exchange(self, ready):
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_S)
        self._connection.putrequest(ready.method, ready.target, skip_accept_encoding=True)
        for name, value in ready.headers.items():
            self._connection.putheader(name, value)
        if ready.body or ready.method == "POST":
            self._connection.putheader("Content-Length", str(len(ready.body)))
        self._connection.endheaders()
        # A body may be refused before it was read to the end; the answer gives the reason.
        with contextlib.suppress(ConnectionError):
            self._connection.send(ready.body)
        got = self._connection.getresponse()
        headers = {name.lower(): value for name, value in got.getheaders()}
        return Answer(ready, got.status, headers, got.read())

    def close(self):
        if self._connection is not None:
            self._connection.close()
