"""Plain HTTP requests, of which no redirect is followed."""

import dataclasses
import http.client
import json
import ssl
import urllib.parse

HTTP_S = 20


@dataclasses.dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    text: str


def fetch(url, method="GET", body=None, headers=None, trust=None):
    """The answer to one request; `trust` is a file with the certificates to accept, instead of the system's."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "https":
        context = ssl.create_default_context(cafile=trust)
        connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=HTTP_S, context=context)
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=HTTP_S)
    try:
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        data = body if body is None or isinstance(body, str | bytes) else json.dumps(body)
        connection.request(method, path, data, headers or {})
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read().decode())
    finally:
        connection.close()
