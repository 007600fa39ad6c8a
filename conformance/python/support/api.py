"""boto3 with its usual settings, and shortcuts for the tests."""

import base64
import contextlib
import json
import time

import boto3
import botocore.config
import botocore.exceptions

from . import shapes

REGION = "eu-west-1"
ACCOUNT = "000000000000"
# How long a publisher that is connected by its own account may be unknown to the server.
CONNECTING_S = 10


def client(server, region=REGION, checked=True, keys=None, url=None, trust=None, **config):
    """An unmodified boto3 client of `server`, without retries, so that no error is hidden.

    `url` is where to ask instead of the server's own URL, `trust` a file with the certificates to accept.
    """
    access_key, secret_key = keys or server.credentials()
    made = boto3.session.Session().client(
        "ivs-realtime",
        endpoint_url=url or server.url,
        verify=trust and str(trust),
        region_name=region,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        config=botocore.config.Config(
            retries={"total_max_attempts": 1}, read_timeout=30, max_pool_connections=32, **config
        ),
    )
    return shapes.attach(made) if checked else made


@contextlib.contextmanager
def refused(code, status, *words):
    """The block must be refused with this error code and status, and a message with these words."""
    try:
        yield
    except botocore.exceptions.ClientError as error:
        got = error.response
        message = got["Error"]["Message"]
        assert got["Error"]["Code"] == code, f"{got['Error']['Code']}, not {code}: {message}"
        assert got["ResponseMetadata"]["HTTPStatusCode"] == status
        for word in words:
            assert word in message, f"{word!r} is not in {message!r}"
    else:
        raise AssertionError(f"was not refused with {code}")


def stage_id(arn):
    """The last part of a stage ARN."""
    return arn.rsplit("/", 1)[1]


def payload(token):
    """The payload of a participant token, not verified."""
    middle = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))


class Stages:
    """Shortcuts for a client."""

    def __init__(self, ivs):
        self.ivs = ivs

    def create(self, name=""):
        """Creates a stage and returns its ARN."""
        return self.ivs.create_stage(name=name)["stage"]["arn"]

    def token(self, arn, **wishes):
        """Creates a participant token: (participant id, token)."""
        made = self.ivs.create_participant_token(stageArn=arn, **wishes)["participantToken"]
        return made["participantId"], made["token"]

    def session(self, arn):
        """The active session's id, or None."""
        return self.ivs.get_stage(arn=arn)["stage"].get("activeSessionId") or None

    def participants(self, arn, session=None, **filters):
        """Participant summaries by id."""
        session = session or self.session(arn)
        if session is None:
            return {}
        listed = self.ivs.list_participants(stageArn=arn, sessionId=session, maxResults=100, **filters)
        return {item["participantId"]: item for item in listed["participants"]}

    def participant(self, arn, participant, session=None):
        """One participant with all members."""
        return self.ivs.get_participant(
            stageArn=arn, sessionId=session or self.session(arn), participantId=participant
        )["participant"]

    def events(self, arn, participant, session=None):
        """A participant's history, oldest first."""
        session = session or self.session(arn)
        answer = self.ivs.list_participant_events(
            stageArn=arn, sessionId=session, participantId=participant, maxResults=100
        )
        return answer["events"]

    def replicas(self, arn, participant):
        """All replicas, through the paginator."""
        pages = self.ivs.get_paginator("list_participant_replicas").paginate(
            sourceStageArn=arn, participantId=participant
        )
        return pages.build_full_result()["replicas"]

    def replicate(self, source, destination, participant, **options):
        """Starts a replication. A publisher knows that it is connected a moment before the server does: this waits."""
        ends_at = time.monotonic() + CONNECTING_S
        while True:
            try:
                return self.ivs.start_participant_replication(
                    sourceStageArn=source, destinationStageArn=destination, participantId=participant, **options
                )
            except self.ivs.exceptions.ConflictException:
                if time.monotonic() > ends_at or not self.is_connecting(source, participant):
                    raise
            time.sleep(0.02)

    def is_connecting(self, arn, participant):
        """Whether it has joined and has not published yet."""
        found = self.participants(arn).get(participant)
        return found is not None and found["state"] == "CONNECTED" and not found["published"]

    def stop(self, source, destination, participant):
        return self.ivs.stop_participant_replication(
            sourceStageArn=source, destinationStageArn=destination, participantId=participant
        )
