"""`--limits aws`: the service's quotas, one by one, and its rates, by plain requests and with the SDK's retries."""

import http.client
import json
import time

import boto3
import botocore.config
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from support import api
from support.api import REGION, refused
from support.tokens import KeyPair
from support.wait import eventually

SERVER_ARGUMENTS = ("--limits", "aws")
QUOTA = "ServiceQuotaExceededException"
# Where no other test calls anything.
REGION_OF_ITS_OWN = "ap-south-1"
STAGE = f"arn:aws:ivs:{REGION_OF_ITS_OWN}:{api.ACCOUNT}:stage/AAAAbbbb1234"


@pytest.fixture(scope="module")
def patient(server):
    """boto3 with its default settings, which waits and retries when the rate is exceeded."""
    access_key, secret_key = server.credentials()
    return boto3.session.Session().client(
        "ivs-realtime",
        endpoint_url=server.url,
        region_name=REGION,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        config=botocore.config.Config(retries={"mode": "standard", "total_max_attempts": 8}),
    )


@pytest.mark.parametrize(
    ("name", "members", "rate", "setting"),
    [
        ("ListStages", {}, 5, "rate-others"),
        ("ListPublicKeys", {}, 3, "rate-public-keys"),
        ("ListEncoderConfigurations", {}, 5, "rate-others"),
        ("ListStorageConfigurations", {}, 5, "rate-others"),
        ("CreateParticipantToken", {"stageArn": STAGE}, 50, "rate-create-participant-token"),
    ],
)
def test_rates(server, name, members, rate, setting):
    """Sends one signed request repeatedly, faster than any client library. The answers do not matter."""
    url = f"{server.url}/{name}"
    request = AWSRequest("POST", url, data=json.dumps(members), headers={"Content-Type": "application/json"})
    SigV4Auth(Credentials(*server.credentials()), "ivs", REGION_OF_ITS_OWN).add_auth(request)
    ready = request.prepare()
    connection = http.client.HTTPConnection("127.0.0.1", server.http_port)
    began = time.monotonic()
    admitted, throttled = 0, None
    for _ in range(rate * 10):
        connection.request("POST", f"/{name}", body=ready.body, headers=dict(ready.headers))
        answer = connection.getresponse()
        body = answer.read()
        if answer.status == 429:
            throttled = answer.headers, json.loads(body)
            break
        admitted += 1
    elapsed = time.monotonic() - began
    connection.close()
    assert throttled is not None, f"{admitted} calls in {elapsed:.2f} s were not throttled"
    assert rate <= admitted <= rate + elapsed * rate + 1, f"{admitted} calls in {elapsed:.2f} s"
    headers, error = throttled
    assert headers["x-amzn-errortype"] == "ThrottlingException"
    assert headers["retry-after"] == "1"
    for word in (name, str(rate), setting):
        assert word in error["message"]


def test_an_sdk_that_retries_gets_through(patient):
    stage = patient.create_stage()["stage"]["arn"]
    began = time.monotonic()
    answers = [patient.list_stage_sessions(stageArn=stage) for _ in range(12)]
    assert sum(answer["ResponseMetadata"]["RetryAttempts"] for answer in answers) > 0
    assert time.monotonic() - began > 1


def test_public_keys(patient):
    made = []
    for _ in range(3):
        made.append(patient.import_public_key(publicKeyMaterial=KeyPair().public_pem)["publicKey"]["arn"])
    with refused(QUOTA, 402, "3", "limit-public-keys"):
        patient.import_public_key(publicKeyMaterial=KeyPair().public_pem)
    for arn in made:
        patient.delete_public_key(arn=arn)


def test_storage_configurations(patient):
    s3 = {"bucketName": "limits"}
    made = [patient.create_storage_configuration(s3=s3)["storageConfiguration"]["arn"] for _ in range(5)]
    with refused(QUOTA, 402, "5", "limit-storage-configurations"):
        patient.create_storage_configuration(s3=s3)
    for arn in made:
        patient.delete_storage_configuration(arn=arn)


def test_encoder_configurations(patient):
    made = [patient.create_encoder_configuration()["encoderConfiguration"]["arn"] for _ in range(20)]
    with refused(QUOTA, 402, "20", "limit-encoder-configurations"):
        patient.create_encoder_configuration()
    for arn in made:
        patient.delete_encoder_configuration(arn=arn)


def test_replications_of_one_participant(patient, media):
    stages = api.Stages(patient)
    source = stages.create()
    participant, token = stages.token(source)
    media.publish(token, with_video=False)
    for _ in range(5):
        stages.replicate(source, stages.create(), participant)
    with refused(QUOTA, 402, "5", "limit-replications-per-participant"):
        stages.replicate(source, stages.create(), participant)


def test_publishers_of_one_stage(patient, media):
    """Twelve hold a place; neither a thirteenth nor a replica finds one."""
    stages = api.Stages(patient)
    full, source = stages.create(), stages.create()
    for _ in range(12):
        media.publish(stages.token(full)[1], with_video=False)
    participant, token = stages.token(source)
    media.publish(token, with_video=False)
    eventually(lambda: stages.participants(source).get(participant, {}).get("published"), what="published")
    with refused(QUOTA, 402, "12", "limit-publishers-per-stage"):
        stages.replicate(source, full, participant)
