"""The resources that the cases use: a server with examples of everything, and the table with its names filled in."""

import json
import pathlib

from support import api
from support.tokens import KeyPair
from support.wait import eventually

CASES = pathlib.Path(__file__).with_name("cases.json")

DESTINATIONS = 7
KEYS = 5
INGESTS = 6
IDENTITY = 51

# One more key than the server has exceeds the limit, and a fast caller exceeds the rate of tags.
SERVER_ARGUMENTS = ("--limit-public-keys", str(KEYS), "--rate-tags", "5", "--session-idle-seconds", "3600")


def make(server, media):
    """Creates stages, keys, configurations, and a publisher with replicas, on a server that does not change then."""
    ivs = api.client(server)
    stages = api.Stages(ivs)
    source = stages.create("source")
    participant, token = stages.token(source, userId="ann")
    media.publish(token, IDENTITY)
    eventually(lambda: stages.participants(source).get(participant, {}).get("published"), what="published")
    destinations = [stages.create(f"destination-{index}") for index in range(DESTINATIONS)]
    for destination in destinations:
        stages.replicate(source, destination, participant)
    for _ in range(KEYS):
        KeyPair().import_into(ivs)
    for _ in range(INGESTS):
        ivs.create_ingest_configuration(ingestProtocol="RTMPS", stageArn=source)
    storage = ivs.create_storage_configuration(s3={"bucketName": "agreement"})["storageConfiguration"]["arn"]
    ivs.create_stage(autoParticipantRecordingConfiguration={"storageConfigurationArn": storage})
    access_key, secret = server.credentials()
    names = {
        "source": source,
        "destination": destinations[0],
        "idle": stages.create("idle"),
        "participant": participant,
        "session": stages.session(source),
        "unknownStage": f"{source.rsplit('/', 1)[0]}/AAAAbbbb1234",
        "foreignStage": source.replace(api.ACCOUNT, "210987654321"),
        "storage": storage,
        "unknownStorage": f"{storage.rsplit('/', 1)[0]}/AAAAbbbb1234",
        "stagesToken": ivs.list_stages(maxResults=2)["nextToken"],
        "publicKey": KeyPair().public_pem,
        "accessKeyId": access_key,
        "wrongSecret": "x" * 40,
    }
    return {
        "url": server.url,
        "region": api.REGION,
        "accessKeyId": access_key,
        "secretAccessKey": secret,
        **filled(json.loads(CASES.read_text(encoding="utf-8")), names),
    }


def filled(value, names):
    """The table with `${name}` replaced."""
    if isinstance(value, dict):
        return {key: filled(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, names) for item in value]
    if isinstance(value, str) and value.startswith("${"):
        return names[value[2:-1]]
    return value
