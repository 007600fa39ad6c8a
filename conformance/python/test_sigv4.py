"""Signatures: refusals with AWS's own error codes; a valid signature of any Region is accepted."""

import datetime
import json
import urllib.error
import urllib.request

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from support import api
from support.api import REGION, refused

BODY = b'{"maxResults":10}'


def signed(server, body=BODY, keys=None, region=REGION, service="ivs", session_token=None, operation="ListStages"):
    """Headers of a signed request, as botocore makes them."""
    access_key, secret_key = keys or server.credentials()
    request = AWSRequest(
        method="POST",
        url=f"{server.url}/{operation}",
        data=body,
        headers={"Content-Type": "application/json"},
    )
    SigV4Auth(Credentials(access_key, secret_key, session_token), service, region).add_auth(request)
    return dict(request.headers.items())


def send(server, headers, body=BODY, operation="ListStages"):
    """(status, error code or None, parsed body)."""
    request = urllib.request.Request(f"{server.url}/{operation}", data=body, headers=headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, None, json.loads(answer.read() or b"{}")
    except urllib.error.HTTPError as error:
        return error.code, error.headers["x-amzn-ErrorType"], json.loads(error.read())


def assert_refused(answer, code, *words):
    status, got, body = answer
    assert (status, got) == (403, code), body
    assert body["message"] == body["exceptionMessage"]
    for word in words:
        assert word.lower() in body["message"].lower(), body["message"]


@pytest.fixture
def at(monkeypatch):
    """Makes botocore sign as if its clock differed by this much."""

    def shift(**delta):
        moment = datetime.datetime.now(datetime.UTC) + datetime.timedelta(**delta)
        monkeypatch.setattr(
            "botocore.auth.get_current_datetime", lambda remove_tzinfo=True: moment.replace(tzinfo=None)
        )

    return shift


def test_a_good_signature_passes(server):
    assert send(server, signed(server)) == (200, None, {"stages": []})


@pytest.mark.parametrize("region", ["eu-west-1", "us-gov-west-1", "local", "mars-north-7"])
def test_any_region_passes(server, region):
    status, _, _ = send(server, signed(server, region=region))
    assert status == 200


def test_unsigned(server):
    answer = send(server, {"Content-Type": "application/json"})
    assert_refused(answer, "MissingAuthenticationTokenException")


def test_unknown_access_key(server):
    headers = signed(server, keys=("AKIAUNKNOWNUNKNOWN00", server.credentials()[1]))
    assert_refused(send(server, headers), "UnrecognizedClientException")


def test_wrong_secret(server):
    headers = signed(server, keys=(server.credentials()[0], "x" * 40))
    assert_refused(send(server, headers), "InvalidSignatureException")


def test_boto3_with_a_wrong_secret_prints_the_reason(server):
    ivs = api.client(server, keys=(server.credentials()[0], "x" * 40))
    with refused("InvalidSignatureException", 403, "signature"):
        ivs.list_stages()


def test_tampered_body(server):
    assert_refused(send(server, signed(server), body=b'{"maxResults":11}'), "InvalidSignatureException")


def test_tampered_path(server):
    assert_refused(send(server, signed(server), operation="CreateStage"), "InvalidSignatureException")


def test_tampered_query(server):
    answer = send(server, signed(server), operation="ListStages?x=1")
    assert_refused(answer, "InvalidSignatureException")


def test_tampered_signed_header(server):
    headers = signed(server)
    headers["X-Amz-Date"] = headers["X-Amz-Date"][:-2] + ("0Z" if headers["X-Amz-Date"][-2] != "0" else "1Z")
    assert_refused(send(server, headers), "InvalidSignatureException")


def test_signed_for_another_service(server):
    answer = send(server, signed(server, service="s3"))
    assert_refused(answer, "InvalidSignatureException", "ivs")


@pytest.mark.parametrize("minutes", [-4, 4])
def test_a_clock_off_by_less_than_five_minutes_passes(server, at, minutes):
    at(minutes=minutes)
    assert send(server, signed(server))[0] == 200


@pytest.mark.parametrize(("delta", "word"), [({"minutes": -6}, "expired"), ({"minutes": 6}, "not yet current")])
def test_a_clock_off_by_more_says_so(server, at, delta, word):
    at(**delta)
    assert_refused(send(server, signed(server)), "InvalidSignatureException", word)


def test_a_request_of_yesterday_is_refused(server, at):
    at(days=-1)
    assert_refused(send(server, signed(server)), "InvalidSignatureException", "expired")


@pytest.mark.parametrize(
    "authorization",
    [
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=a/b",
        "AWS4-HMAC-SHA256 Credential=, SignedHeaders=, Signature=",
        "AWS4-HMAC-SHA256 Credential=AKIA/20200101/eu-west-1/ivs/aws4_request, Signature=00",
        "AWS4-HMAC-SHA256 " + "Credential=AKIA/20200101/eu-west-1/ivs/aws4_request, " * 50,
    ],
)
def test_half_an_authorization_header_is_incomplete(server, authorization):
    headers = {"Authorization": authorization, "X-Amz-Date": "20200101T000000Z", "Content-Type": "application/json"}
    assert_refused(send(server, headers), "IncompleteSignatureException")


@pytest.mark.parametrize("authorization", ["", "Basic YWxhZGRpbjpvcGVu", "Bearer abc", "AWS4-HMAC-SHA512 Credential=a"])
def test_another_scheme_is_no_signature(server, authorization):
    headers = {"Authorization": authorization, "Content-Type": "application/json"}
    status, code, _ = send(server, headers)
    assert status == 403
    assert code in ("MissingAuthenticationTokenException", "IncompleteSignatureException")


def test_a_changed_signature_digit(server):
    headers = signed(server)
    last = headers["Authorization"][-1]
    headers["Authorization"] = headers["Authorization"][:-1] + ("0" if last != "0" else "1")
    assert_refused(send(server, headers), "InvalidSignatureException")


def test_the_error_never_repeats_a_secret(server):
    _, _, body = send(server, signed(server, keys=(server.credentials()[0], "x" * 40)))
    assert server.credentials()[1] not in json.dumps(body)
    assert server.credentials()[1] not in server.tail()
