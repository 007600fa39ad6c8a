"""Shortcuts for ingest configurations and those who publish by them."""

import json
import socket
import subprocess

from .ports import free_port
from .server import binary, clean_environment
from .wait import eventually

PUBLISHED_S = 60


def listening():
    """The arguments of a server that takes RTMP."""
    return ("--rtmp", f"127.0.0.1:{free_port(socket.SOCK_STREAM)}")


class Ingests:
    """Shortcuts for a client."""

    def __init__(self, stages):
        self.stages = stages
        self.ivs = stages.ivs

    def create(self, stage, **members):
        members = {"ingestProtocol": "RTMP", "insecureIngest": True, "userId": "encoder"} | members
        return self.ivs.create_ingest_configuration(stageArn=stage, **members)["ingestConfiguration"]

    def get(self, made):
        return self.ivs.get_ingest_configuration(arn=made["arn"])["ingestConfiguration"]

    def state(self, made):
        return self.get(made)["state"]

    def delete(self, made):
        self.ivs.delete_ingest_configuration(arn=made["arn"], force=True)

    def endpoint(self, stage, protocol="rtmp"):
        return self.ivs.get_stage(arn=stage)["stage"]["endpoints"][protocol]

    def is_published(self, stage, participant):
        """Whether it has published in the session that is active."""
        return self.stages.participants(stage).get(participant, {}).get("published")

    def published(self, stage, participant, encoder):
        """Waits until it publishes."""

        def found():
            assert not encoder.is_over(), encoder.told()
            return self.is_published(stage, participant)

        eventually(found, PUBLISHED_S, "it publishes")

    def errors(self, stage, participant, session=None):
        """The error codes in a participant's history, oldest first."""
        events = self.stages.events(stage, participant, session)
        return [event["errorCode"] for event in events if event["name"] == "PUBLISH_ERROR"]


def watch(server, token, publisher, seconds, *arguments):
    """`restage watch` for some seconds: its last figures by kind."""
    done = subprocess.run(
        [
            *(str(binary()), "watch", "--token", token, publisher),
            *("--stop-after", str(seconds), "--output", "json", *arguments),
        ],
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        check=False,
        env=clean_environment(),
    )
    assert done.returncode == 0, f"{done.stderr}\n{server.tail()}"
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {track["kind"]: track for track in lines[-1]["tracks"]}
