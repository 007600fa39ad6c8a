"""restage's own operations, `POST /restage/…`: signed as boto3 signs, which has no model of them."""

import dataclasses
import http.client
import json
import urllib.parse

import botocore.auth
import botocore.awsrequest
import botocore.credentials

from .api import REGION

HTTP_S = 20


@dataclasses.dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        """(name, message) of an error of the API."""
        return self.headers["x-amzn-errortype"], self.json["message"]


def send(url, method="GET", body=None, headers=None):
    """One request, with its path exactly as it is given."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=HTTP_S)
    try:
        # http.client does not change the path, so that also odd ones arrive as they are.
        target = url.split(parts.netloc, 1)[1]
        connection.request(method, target, body, headers or {})
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


def call(server, name, members=None, keys=None, region=REGION):
    """Calls an operation of restage's own; its answer, whatever it is."""
    access_key, secret_key = keys or server.credentials()
    url = f"{server.url}/restage/{name}"
    body = json.dumps(members or {})
    request = botocore.awsrequest.AWSRequest("POST", url, data=body, headers={"Content-Type": "application/json"})
    credentials = botocore.credentials.Credentials(access_key, secret_key)
    botocore.auth.SigV4Auth(credentials, "ivs", region).add_auth(request)
    return send(url, "POST", body, dict(request.headers.items()))


def ask(server, name, members=None, **more):
    """The answer of an operation that must succeed."""
    answer = call(server, name, members, **more)
    assert answer.status == 200, answer.body
    return answer.json
