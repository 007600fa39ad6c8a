"""The AWS CLI, version 1, as people type it."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from support.api import REGION, Stages
from support.tokens import KeyPair
from support.wait import eventually

DESTINATIONS = 11


@pytest.fixture(scope="module")
def aws(server):
    """Runs `aws ivs-realtime …` in the environment that `restage env` makes."""
    program = pathlib.Path(sys.executable).parent / "aws"
    environment = {
        **server.environment(),
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_PAGER": "",
        "AWS_DEFAULT_OUTPUT": "json",
    }

    def run(*arguments, check=True, output="json"):
        done = subprocess.run(
            [str(program), "ivs-realtime", *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        if not check:
            return done
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if output == "json" and done.stdout.strip() else done.stdout

    return run


@pytest.fixture(scope="module")
def fan(ivs, media_loop):
    """(source stage, participant, destination stages in order of start)."""
    stages = Stages(ivs)
    source = stages.create("cli-source")
    participant, token = stages.token(source)
    media_loop.publish(token, identity=1)
    eventually(lambda: stages.participants(source).get(participant, {}).get("published"), what="published")
    destinations = [stages.create(f"cli-{index}") for index in range(DESTINATIONS)]
    for arn in destinations:
        stages.replicate(source, arn, participant)
    yield source, participant, destinations
    media_loop.close_peers()


def listed(answer):
    return [row["destinationStageArn"] for row in answer["replicas"]]


def test_max_items_and_starting_token(aws, fan):
    source, participant, destinations = fan
    command = ("list-participant-replicas", "--source-stage-arn", source, "--participant-id", participant)
    assert listed(aws(*command)) == destinations
    first = aws(*command, "--max-items", "4")
    assert listed(first) == destinations[:4]
    second = aws(*command, "--max-items", "4", "--starting-token", first["NextToken"])
    assert listed(second) == destinations[4:8]
    last = aws(*command, "--max-items", "4", "--starting-token", second["NextToken"])
    assert listed(last) == destinations[8:]
    assert "NextToken" not in last


def test_page_size_and_query(aws, fan):
    source, participant, destinations = fan
    text = aws(
        *("list-participant-replicas", "--source-stage-arn", source, "--participant-id", participant),
        *("--page-size", "2", "--query", "replicas[].destinationStageArn", "--output", "text"),
        output="text",
    )
    assert text.split() == destinations


def test_no_paginate_shows_the_service_token(aws, fan):
    source, participant, destinations = fan
    command = ("list-participant-replicas", "--source-stage-arn", source, "--participant-id", participant)
    page = aws(*command, "--no-paginate", "--max-results", "5")
    assert listed(page) == destinations[:5]
    page = aws(*command, "--no-paginate", "--max-results", "50", "--next-token", page["nextToken"])
    assert listed(page) == destinations[5:]


def test_create_start_stop_delete(aws, fan):
    source, participant, _ = fan
    made = aws("create-stage", "--name", "by-cli", "--participant-token-configurations", "userId=zed,duration=5")
    arn = made["stage"]["arn"]
    assert made["participantTokens"][0]["userId"] == "zed"
    aws(
        *("start-participant-replication", "--source-stage-arn", source, "--destination-stage-arn", arn),
        *("--participant-id", participant, "--attributes", "order=2", "--reconnect-window-seconds", "5"),
    )
    session = aws("get-stage", "--arn", arn)["stage"]["activeSessionId"]
    people = aws("list-participants", "--stage-arn", arn, "--session-id", session, "--filter-by-state", "CONNECTED")
    assert [item["replicationType"] for item in people["participants"]] == ["REPLICA"]
    aws(
        *("stop-participant-replication", "--source-stage-arn", source, "--destination-stage-arn", arn),
        *("--participant-id", participant),
    )
    aws("delete-stage", "--arn", arn)


def test_the_life_of_a_stage(aws, media):
    """What the other tests here leave out of the story: people, sessions, histories, as `aws` has them."""
    arn = aws("create-stage", "--name", "cli-before")["stage"]["arn"]
    assert aws("update-stage", "--arn", arn, "--name", "cli-after")["stage"]["name"] == "cli-after"
    made = aws(
        *("create-participant-token", "--stage-arn", arn, "--user-id", "ann", "--duration", "60"),
        *("--attributes", "role=host", "--capabilities", "PUBLISH", "SUBSCRIBE"),
    )["participantToken"]
    ann = made["participantId"]
    assert (made["userId"], made["attributes"], made["duration"]) == ("ann", {"role": "host"}, 60)
    publisher = media.publish(made["token"])

    def at(*command):
        return aws(*command, "--stage-arn", arn)

    sessions = at("list-stage-sessions", "--max-results", "1")["stageSessions"]
    session = sessions[0]["sessionId"]
    assert at("get-stage-session", "--session-id", session)["stageSession"] == sessions[0]
    about = ("--session-id", session, "--participant-id", ann)
    eventually(lambda: at("get-participant", *about)["participant"]["published"], what="ann is published")
    shown = at("get-participant", *about)["participant"]
    assert (shown["state"], shown["attributes"], shown["protocol"]) == ("CONNECTED", {"role": "host"}, "WHIP")
    names = [stage["name"] for stage in aws("list-stages", "--max-results", "100")["stages"] if stage["arn"] == arn]
    assert names == ["cli-after"]

    at("disconnect-participant", "--participant-id", ann, "--reason", "the end")
    eventually(lambda: publisher.state in ("closed", "failed"), 30, "the publisher's connection ends")
    eventually(lambda: at("get-participant", *about)["participant"]["state"] == "DISCONNECTED", what="ann has left")
    events = [event["name"] for event in at("list-participant-events", *about)["events"]]
    assert events == ["JOINED", "PUBLISH_STARTED", "PUBLISH_STOPPED", "LEFT"]
    assert at("list-participants", "--session-id", session, "--filter-by-state", "CONNECTED")["participants"] == []
    aws("delete-stage", "--arn", arn)


def test_public_keys_page_by_page(aws, tmp_path):
    pem = tmp_path / "public.pem"
    arns = []
    for index in range(5):
        pem.write_text(KeyPair().public_pem)
        made = aws("import-public-key", "--public-key-material", f"file://{pem}", "--name", f"cli-{index}")
        arns.append(made["publicKey"]["arn"])
    assert aws("get-public-key", "--arn", arns[0])["publicKey"]["publicKeyMaterial"].startswith("-----BEGIN PUBLIC")
    listed_arns = aws("list-public-keys", "--page-size", "2", "--query", "publicKeys[].arn")
    assert listed_arns == arns
    first = aws("list-public-keys", "--max-items", "3")
    rest = aws("list-public-keys", "--starting-token", first["NextToken"])
    assert [key["arn"] for key in first["publicKeys"] + rest["publicKeys"]] == arns
    for arn in arns:
        aws("delete-public-key", "--arn", arn)
    assert aws("list-public-keys")["publicKeys"] == []


def test_tags(aws, fan):
    arn = fan[0]
    aws("tag-resource", "--resource-arn", arn, "--tags", '{"team": "red", "a b": "c"}')
    assert aws("list-tags-for-resource", "--resource-arn", arn)["tags"] == {"team": "red", "a b": "c"}
    aws("untag-resource", "--resource-arn", arn, "--tag-keys", "team", "a b")
    assert aws("list-tags-for-resource", "--resource-arn", arn)["tags"] == {}


def test_an_error_is_printed_with_code_and_sentence(aws):
    done = aws("get-stage", "--arn", "arn:aws:ivs:eu-west-1:000000000000:stage/AAAAbbbb1234", check=False)
    assert done.returncode != 0
    assert "ResourceNotFoundException" in done.stderr or "AccessDeniedException" in done.stderr
    assert "AAAAbbbb1234" in done.stderr


def test_endpoint_url_flag_instead_of_environment(server, fan):
    source, participant, destinations = fan
    access_key, secret_key = server.credentials()
    program = pathlib.Path(sys.executable).parent / "aws"
    done = subprocess.run(
        [
            *(str(program), "--endpoint-url", server.url, "--region", "eu-west-1", "ivs-realtime"),
            *("list-participant-replicas", "--source-stage-arn", source, "--participant-id", participant),
            *("--max-items", "3"),
        ],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(server.data_dir),
            "AWS_ACCESS_KEY_ID": access_key,
            "AWS_SECRET_ACCESS_KEY": secret_key,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert listed(json.loads(done.stdout)) == destinations[:3]


def test_storage_configurations_and_what_a_stage_says_of_them(aws):
    names = [f"cli-storage-{number}" for number in range(3)]
    made = []
    for name in names:
        answer = aws(
            "create-storage-configuration", "--name", name, "--s3", "bucketName=cli-bucket", "--tags", "by=cli"
        )
        made.append(answer["storageConfiguration"])
    arns = [one["arn"] for one in made]
    assert [(one["name"], one["s3"], one["tags"]) for one in made] == [
        (name, {"bucketName": "cli-bucket"}, {"by": "cli"}) for name in names
    ]
    assert aws("get-storage-configuration", "--arn", arns[0])["storageConfiguration"] == made[0]
    # botocore has no paginator for this list.
    first = aws("list-storage-configurations", "--max-results", "2")
    rest = aws("list-storage-configurations", "--next-token", first["nextToken"])
    assert len(first["storageConfigurations"]) == 2
    found = [one["arn"] for page in (first, rest) for one in page["storageConfigurations"]]
    assert sorted(found) == sorted(arns)
    settings = f"storageConfigurationArn={arns[0]},mediaTypes=AUDIO_ONLY,recordingReconnectWindowSeconds=30"
    stage = aws("create-stage", "--auto-participant-recording-configuration", settings)["stage"]
    said = stage["autoParticipantRecordingConfiguration"]
    assert (said["storageConfigurationArn"], said["mediaTypes"]) == (arns[0], ["AUDIO_ONLY"])
    assert said["recordingReconnectWindowSeconds"] == 30
    refused = aws("delete-storage-configuration", "--arn", arns[0], check=False)
    assert refused.returncode != 0 and "(ConflictException)" in refused.stderr, refused.stderr
    reset = ("--auto-participant-recording-configuration", "storageConfigurationArn=")
    said = aws("update-stage", "--arn", stage["arn"], *reset)["stage"]["autoParticipantRecordingConfiguration"]
    assert said["storageConfigurationArn"] == ""
    for arn in arns:
        aws("delete-storage-configuration", "--arn", arn)
    assert aws("list-storage-configurations")["storageConfigurations"] == []
    gone = aws("get-storage-configuration", "--arn", arns[0], check=False)
    assert gone.returncode != 0 and "(ResourceNotFoundException)" in gone.stderr, gone.stderr


def test_ingest_configurations_and_their_paginator(aws):
    stage = aws("create-stage")["stage"]["arn"]
    made = []
    for name in ("cli-a", "cli-b", "cli-c"):
        created = aws(
            *("create-ingest-configuration", "--name", name, "--stage-arn", stage, "--user-id", "cli"),
            *("--ingest-protocol", "RTMPS", "--attributes", "order=1", "--tags", "by=cli"),
        )
        made.append(created["ingestConfiguration"])
    first = made[0]
    assert (first["attributes"], first["tags"], first["state"]) == ({"order": "1"}, {"by": "cli"}, "INACTIVE")
    assert aws("get-ingest-configuration", "--arn", first["arn"])["ingestConfiguration"] == first
    page = aws("list-ingest-configurations", "--max-items", "2", "--page-size", "1")
    assert [one["arn"] for one in page["ingestConfigurations"]] == [one["arn"] for one in made[:2]]
    rest = aws("list-ingest-configurations", "--starting-token", page["NextToken"])
    assert [one["arn"] for one in rest["ingestConfigurations"]] == [made[2]["arn"]] and "NextToken" not in rest
    names = aws("list-ingest-configurations", "--filter-by-stage-arn", stage, "--query", "ingestConfigurations[].name")
    assert names == ["cli-a", "cli-b", "cli-c"]
    redundant = aws("update-ingest-configuration", "--arn", first["arn"], "--stage-arn", "", "--redundant-ingest")
    assert redundant["ingestConfiguration"]["stageArn"] == ""
    assert len(redundant["ingestConfiguration"]["redundantIngestCredentials"]) == 2
    refused = aws("create-ingest-configuration", "--ingest-protocol", "RTMP", check=False)
    assert refused.returncode != 0 and "(ValidationException)" in refused.stderr, refused.stderr
    for one in made:
        aws("delete-ingest-configuration", "--arn", one["arn"], "--force")
    gone = aws("get-ingest-configuration", "--arn", first["arn"], check=False)
    assert gone.returncode != 0 and "(ResourceNotFoundException)" in gone.stderr, gone.stderr
    aws("delete-stage", "--arn", stage)
