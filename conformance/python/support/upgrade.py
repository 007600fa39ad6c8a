"""Data directories of earlier versions, and what the API says of their contents."""

import contextlib
import pathlib
import shutil
import sqlite3

FIXTURES = pathlib.Path(__file__).resolve().parents[2] / "fixtures"


def kept():
    """The data directories that were kept, oldest first."""
    return sorted(path.parent for path in FIXTURES.glob("*/expected.json"))


def unpack(fixture, data):
    """Makes the data directory as that version left it."""
    shutil.copytree(fixture / "data", data)
    data.chmod(0o700)
    for file in data.rglob("*"):
        # A checkout does not keep them.
        file.chmod(0o700 if file.is_dir() else 0o600)
    rows = sqlite3.connect(data / "restage.db")
    rows.executescript((fixture / "database.sql").read_text(encoding="utf-8"))
    rows.close()


def ask_everything(stages):
    """What boto3 is told of all that is there, as JSON, without what changes by itself."""
    ivs = stages.ivs
    found = {
        "publicKeys": [ivs.get_public_key(arn=key["arn"])["publicKey"] for key in ivs.list_public_keys()["publicKeys"]],
        "encoders": ivs.list_encoder_configurations()["encoderConfigurations"],
        "storages": ivs.list_storage_configurations()["storageConfigurations"],
        "ingests": [
            ivs.get_ingest_configuration(arn=row["arn"])["ingestConfiguration"]
            for row in ivs.list_ingest_configurations()["ingestConfigurations"]
        ],
        "stages": [],
    }
    for row in ivs.list_stages(maxResults=100)["stages"]:
        arn = row["arn"]
        sessions = ivs.list_stage_sessions(stageArn=arn)["stageSessions"]
        stage = ivs.get_stage(arn=arn)["stage"]
        # Where the server is now.
        del stage["endpoints"]
        found["stages"].append(stage | {"sessions": [of_session(stages, arn, session) for session in sessions]})
    return plain(found)


def of_session(stages, arn, session):
    """A session with its participants, their histories and their replicas."""
    participants = []
    for participant in sorted(stages.participants(arn, session["sessionId"])):
        row = stages.participant(arn, participant, session["sessionId"])
        # The recording ends when its bucket takes it.
        row.pop("recordingState", None)
        row["events"] = stages.events(arn, participant, session["sessionId"])
        row["replicas"] = []
        with contextlib.suppress(stages.ivs.exceptions.ResourceNotFoundException):
            row["replicas"] = stages.replicas(arn, participant)
        participants.append(row)
    return session | {"participants": participants}


def plain(value):
    """Times as texts."""
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value.isoformat() if hasattr(value, "isoformat") else value
