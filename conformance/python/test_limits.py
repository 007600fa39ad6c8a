"""`--limits aws`: the service's quotas, one by one, and its rates, by plain requests and with the SDK's retries."""

import time

import boto3
import botocore.config
import botocore.exceptions
import pytest

from support import api
from support.api import REGION, refused
from support.tokens import KeyPair
from support.wait import eventually

SERVER_ARGUMENTS = ("--limits", "aws")
QUOTA = "ServiceQuotaExceededException"


@pytest.fixture(scope="module")
def patient(server):
    """boto3 as it comes, which waits and tries again when it is told that it is too fast."""
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
    ("name", "rate", "setting"),
    [
        ("list_stages", 5, "rate-others"),
        ("list_public_keys", 3, "rate-public-keys"),
        ("list_tags_for_resource", 10, "rate-tags"),
        ("create_participant_token", 50, "rate-create-participant-token"),
    ],
)
def test_rates(server, patient, name, rate, setting):
    stage = patient.create_stage()["stage"]["arn"]
    members = {
        "list_tags_for_resource": {"resourceArn": stage},
        "create_participant_token": {"stageArn": stage},
    }.get(name, {})
    # In a region of its own, where nobody called it before; what is there does not matter to the rate.
    elsewhere = api.client(server, region=f"eu-{name.replace('_', '-')}", checked=False)
    began = time.monotonic()
    count, error = counted(elsewhere, name, members, rate * 4)
    elapsed = time.monotonic() - began
    assert rate <= count <= rate + elapsed * rate + 1, f"{count} calls in {elapsed:.2f} s"
    assert error["Error"]["Code"] == "ThrottlingException"
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert error["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "1"
    for word in (str(rate), setting):
        assert word in error["Error"]["Message"]


def counted(ivs, name, members, most):
    """Calls until one is throttled; what the others are answered does not count."""
    for count in range(most):
        try:
            getattr(ivs, name)(**members)
        except botocore.exceptions.ClientError as error:
            if error.response["Error"]["Code"] == "ThrottlingException":
                return count, error.response
    raise AssertionError(f"{most} calls were not throttled")


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
