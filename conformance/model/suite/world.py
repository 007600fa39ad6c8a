"""The resources that the cases need: stages with a history, and values that name existing resources."""

import base64
import contextlib
import json
import time

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from support import api
from support.media import Refused
from support.tokens import KeyPair
from support.wait import eventually

from . import answers, pattern, service, wire

REGION = "eu-west-1"
OTHER_REGION = "us-east-1"
ACCOUNT = api.ACCOUNT
OTHER_ACCOUNT = "210987654321"
# Short, so that the history contains ended sessions.
SESSION_IDLE_S = 3
# Attributes of a replication are merged with the token's, so all bytes are available only with the same key.
ATTRIBUTE = "role"

UNKNOWN_ID = "AAAAbbbb1234"
UNKNOWN_SESSION = "st-AAAAbbbb12345"
# A valid form, but not a token of this server.
UNKNOWN_PAGE = base64.urlsafe_b64encode(b"a page of nobody's list").decode().rstrip("=")


# Channels of the server's configuration: more than there are cases, because a channel takes one composition at a time.
CHANNELS = 500
# How long the composition that is read is the same, in seconds.
KEPT_S = 120


def channel(number):
    """The ARN of a channel of the server's configuration."""
    return f"arn:aws:ivs:{REGION}:{ACCOUNT}:channel/model{number}"


class Unready(Exception):
    """The suite does not know how to make a value that the model needs."""


class World:
    """The server's state as the cases know it, and requests with valid values."""

    def __init__(self, server, media):
        self.wire = wire.Wire(server, REGION)
        self.ledger = answers.Ledger()
        self.history(server, media)
        self.scratch = self.new_stage()
        self.deleted_stage = self.new_stage()
        self.must("DeleteStage", {"arn": self.deleted_stage})
        self.stage_elsewhere = self.must("CreateStage", {}, region=OTHER_REGION)["stage"]["arn"]
        # Created at first use, because not every server has public keys.
        self._kept_key = None
        self._key_elsewhere = None
        self._kept_encoder = None
        self._kept_storage = None
        self._kept_ingest = None
        self._disposable_key = None
        self._kept_composition = None
        self._channels = 0
        self._compositions = 0
        self._kept_since = 0
        self._keeps_key = False
        self._keeps_composition = False
        self._disposable_composition = None

    # The history before the first case.

    def history(self, server, media):
        """A publisher with active and stopped replicas, a viewer of one, errors, ended sessions."""
        stages = api.Stages(api.client(server))
        self.source = self.new_stage(name="source", tags={"team": "conformance"})
        self.destination = self.new_stage(name="destination")
        ann, token = stages.token(self.source, userId="ann", attributes={ATTRIBUTE: "host"})
        publisher = media.publish(token, with_video=False)
        eventually(lambda: stages.participants(self.source).get(ann, {}).get("published"), what="ann publishes")
        self.participant = ann
        self.session = stages.session(self.source)
        stages.replicate(self.source, self.destination, ann, attributes={ATTRIBUTE: "guest"}, reconnectWindowSeconds=60)
        stopped = self.new_stage()
        stages.replicate(self.source, stopped, ann)
        stages.stop(self.source, stopped, ann)
        self._watch(media, stages, ann)
        self._be_refused(media, stages)
        self._exchange(server, media, stages)
        self.past = self.new_stage(name="past")
        for _ in range(2):
            self._pass_by(media, stages)
        self.past_session = self.must("ListStageSessions", {"stageArn": self.past})["stageSessions"][0]["sessionId"]
        assert publisher.state == "connected"

    def _watch(self, media, stages, ann):
        """A viewer in the destination watches the replica and leaves again."""
        self.watcher, token = stages.token(self.destination, userId="wim")
        watcher = media.watch(token, ann)
        watcher.leave()
        self.destination_session = stages.session(self.destination)

        def has_left():
            return "LEFT" in [event["name"] for event in stages.events(self.destination, self.watcher)]

        eventually(has_left, what="wim has left")

    def _be_refused(self, media, stages):
        """A participant without the permission tries to publish."""
        self.refused, token = stages.token(self.source, capabilities=["SUBSCRIBE"])
        try:
            media.publish(token, with_video=False)
        except Refused:
            return
        raise AssertionError("a token without PUBLISH published")

    def _exchange(self, server, media, stages):
        """A participant with a self-signed token exchanges it for another."""
        key = KeyPair().import_into(api.client(server))
        stage = self.must("GetStage", {"arn": self.source})["stage"]
        self.exchanger = "xia"
        events = media.events(key.token(stage, self.exchanger, user_id="xia", attributes={ATTRIBUTE: "guest"}))
        token = key.token(stage, self.exchanger, user_id="xia 2", attributes={ATTRIBUTE: "host"})
        events.send(json.dumps({"type": "TOKEN_EXCHANGE", "payload": {"token": token}}))

        def has_exchanged():
            return "TOKEN_EXCHANGED" in [event["name"] for event in stages.events(self.source, self.exchanger)]

        eventually(has_exchanged, what="xia has exchanged her token")

    def _pass_by(self, media, stages):
        """A session in the stage `past`, from its first join to its end."""
        participant, token = stages.token(self.past)
        media.publish(token, with_video=False).leave()
        self.past_participant = participant
        eventually(lambda: stages.session(self.past) is None, what="the session has ended")

    def sights(self):
        """Members that name a participant, for each participant with a history."""
        return [
            {"stageArn": self.source, "sessionId": self.session, "participantId": self.participant},
            {"stageArn": self.source, "sessionId": self.session, "participantId": self.exchanger},
            {"stageArn": self.destination, "sessionId": self.destination_session, "participantId": self.participant},
            {"stageArn": self.destination, "sessionId": self.destination_session, "participantId": self.watcher},
            {"stageArn": self.past, "sessionId": self.past_session, "participantId": self.past_participant},
        ]

    # Requests.

    def call(self, operation, values, **signing):
        """Sends a request with these members; a successful answer is recorded in the ledger."""
        return self.send(operation, wire.request(operation, values), **signing)

    def send(self, operation, unsigned, **signing):
        """Signs and sends."""
        return self.send_as_is(operation, self.wire.signed(unsigned, **signing))

    def send_as_is(self, operation, ready):
        answer = self.wire.send(ready)
        if answer.status == operation.http["responseCode"]:
            self.ledger.enter(operation, answer)
            self._tidy(operation, answer)
        return answer

    def must(self, name, values, **signing):
        """The body of an answer that must be a success."""
        answer = self.call(service.model().operation_model(name), values, **signing)
        assert answer.status == 200, f"{answer.request}\n{answer}"
        return answer.json()

    def new_stage(self, **members):
        return self.must("CreateStage", members)["stage"]["arn"]

    def _tidy(self, operation, answer):
        """Removes resources of which only a few may exist."""
        if operation.name == "ImportPublicKey" and not self._keeps_key:
            self.must("DeletePublicKey", {"arn": answer.json()["publicKey"]["arn"]})
        if operation.name == "StartComposition" and not self._keeps_composition:
            self.must("StopComposition", {"arn": answer.json()["composition"]["arn"]})

    # Values.

    def minimal(self, operation, without=()):
        """The required members of a valid request, except those named."""
        values = {}
        for name in service.required(operation):
            if name not in without:
                values[name] = self.value(operation, name, service.members(operation)[name])
        return self._prepared(operation, values) if not without else values

    def _prepared(self, operation, values):
        """Brings the server into a state in which the request is valid."""
        if operation.name == "StopParticipantReplication":
            self.must("StartParticipantReplication", values)
        return values

    def value(self, operation, name, shape):
        """A valid value for a member: it names an existing resource."""
        maker = MAKERS.get((operation.name, name)) or MAKERS.get(shape.name)
        if maker is not None:
            return maker(self)
        if shape.type_name in ("structure", "list"):
            return self.sample(shape)
        if shape.name in service.REFERENCES | service.OPAQUE or shape.name.endswith(("Arn", "Id")):
            raise Unready(f"{operation.name}.{name}: suite/world.py has no {shape.name} to offer")
        return sample(shape)

    def sample(self, shape):
        """As `sample`, with names of what exists."""
        if shape.type_name == "structure":
            return {name: self.sample(shape.members[name]) for name in (*shape.required_members, *one_of(shape))}
        if shape.type_name == "list":
            least, _ = service.bounds(shape)
            return [self.sample(shape.member) for _ in range(max(least or 0, 1))]
        if shape.name in service.REFERENCES and shape.name in MAKERS:
            return MAKERS[shape.name](self)
        return sample(shape)

    def named(self, shape, value):
        """The same value, in which samples of references inside name what exists."""
        if shape.type_name == "structure" and isinstance(value, dict):
            return {name: self.named(shape.members[name], inner) for name, inner in value.items()}
        if shape.type_name == "list" and isinstance(value, list):
            return [self.named(shape.member, inner) for inner in value]
        is_sample = shape.name in service.REFERENCES and shape.name in MAKERS and value == sample(shape)
        return MAKERS[shape.name](self) if is_sample else value

    def disposable_participant(self):
        return self.must("CreateParticipantToken", {"stageArn": self.source})["participantToken"]["participantId"]

    def new_public_key(self, **signing):
        """The ARN of a public key that is kept."""
        with self.keeping_keys():
            return self.must("ImportPublicKey", {"publicKeyMaterial": pem()}, **signing)["publicKey"]["arn"]

    @contextlib.contextmanager
    def keeping_keys(self):
        """Keys that are imported meanwhile are not removed again."""
        self._keeps_key = True
        try:
            yield
        finally:
            self._keeps_key = False

    def elsewhere(self, shape):
        """The ARN of one of our resources in another Region, or None where there is no such resource."""
        if shape.name == "PublicKeyArn":
            self._key_elsewhere = self._key_elsewhere or self.new_public_key(region=OTHER_REGION)
            return self._key_elsewhere
        if shape.name == "EncoderConfigurationArn":
            return self.new_encoder_configuration(region=OTHER_REGION)
        if shape.name in ("StorageConfigurationArn", "AutoParticipantRecordingStorageConfigurationArn"):
            return self.new_storage_configuration(region=OTHER_REGION)
        if shape.name == "IngestConfigurationArn":
            return self.new_ingest_configuration(region=OTHER_REGION)
        stages = ("StageArn", "ResourceArn", "IngestConfigurationStageArn")
        return self.stage_elsewhere if shape.name in stages else None

    def new_encoder_configuration(self, **signing):
        """The ARN of an encoder configuration; it has a name and tags to be seen."""
        members = {"name": "seen", "tags": {"team": "conformance"}}
        return self.must("CreateEncoderConfiguration", members, **signing)["encoderConfiguration"]["arn"]

    def kept_encoder_configuration(self):
        self._kept_encoder = self._kept_encoder or self.new_encoder_configuration()
        return self._kept_encoder

    def new_storage_configuration(self, **signing):
        """The ARN of a storage configuration; it has a name and tags to be seen."""
        members = {"name": "seen", "s3": {"bucketName": "conformance"}, "tags": {"team": "conformance"}}
        return self.must("CreateStorageConfiguration", members, **signing)["storageConfiguration"]["arn"]

    def kept_storage_configuration(self):
        self._kept_storage = self._kept_storage or self.new_storage_configuration()
        return self._kept_storage

    def new_ingest_configuration(self, **signing):
        """The ARN of an ingest configuration with everything to be seen."""
        members = {"name": "seen", "ingestProtocol": "RTMPS", "redundantIngest": True, "userId": "seen"}
        members |= {"attributes": {"seen": "yes"}, "tags": {"team": "conformance"}}
        if not signing:
            members["stageArn"] = self.source
        return self.must("CreateIngestConfiguration", members, **signing)["ingestConfiguration"]["arn"]

    def kept_ingest_configuration(self):
        self._kept_ingest = self._kept_ingest or self.new_ingest_configuration()
        return self._kept_ingest

    def new_channel(self):
        """The ARN of a channel of the server's configuration that no composition has been sent to, or not for long."""
        self._channels += 1
        return channel(self._channels % CHANNELS)

    def new_composition(self):
        """The ARN of a composition with everything to be seen."""
        members = service.model().operation_model("StartComposition").input_shape.members
        bucket = self.sample(members["destinations"].member)
        bucket["s3"]["thumbnailConfigurations"] = [{}]
        sent = {"channelArn": self.new_channel(), "encoderConfigurationArn": self.kept_encoder_configuration()}
        values = {"stageArn": self.source, "destinations": [bucket, {"channel": sent}], "tags": {"team": "conformance"}}
        if self._compositions % 2:
            values["layout"] = {"pip": {"pipWidth": 320, "pipHeight": 180}}
        else:
            values["layout"] = {"grid": {"videoFillMode": "COVER"}}
        self._compositions += 1
        self._keeps_composition = True
        try:
            return self.must("StartComposition", values)["composition"]["arn"]
        finally:
            self._keeps_composition = False

    def kept_composition(self):
        """One of those of the last minutes, because a composition that has ended vanishes."""
        if self._kept_composition is None or time.monotonic() - self._kept_since > KEPT_S:
            self._kept_since = time.monotonic()
            self._stop_composition(self._kept_composition)
            self._kept_composition = self.new_composition()
        return self._kept_composition

    def disposable_composition(self):
        """A composition to stop. Each takes processor time as long as it runs, so the previous one is stopped first."""
        self._stop_composition(self._disposable_composition)
        self._disposable_composition = self.new_composition()
        return self._disposable_composition

    def _stop_composition(self, arn):
        if arn is not None:
            self.call(service.model().operation_model("StopComposition"), {"arn": arn})

    def disposable_public_key(self):
        """A key to delete. Only a few may exist, so the previous one is deleted first if it still exists."""
        if self._disposable_key is not None:
            self.call(service.model().operation_model("DeletePublicKey"), {"arn": self._disposable_key})
        self._disposable_key = self.new_public_key()
        return self._disposable_key

    def kept_public_key(self):
        self._kept_key = self._kept_key or self.new_public_key()
        return self._kept_key


def pem():
    """A new valid public key each time."""
    key = ec.generate_private_key(ec.SECP384R1()).public_key()
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def one_of(shape):
    """The member of a union that a sample has."""
    return service.UNIONS.get(shape.name, ())[:1]


def sample(shape):
    """A small valid value of a shape that names nothing."""
    least, _ = service.bounds(shape)
    if shape.type_name == "structure":
        return {name: sample(shape.members[name]) for name in (*shape.required_members, *one_of(shape))}
    if shape.type_name == "list":
        return [sample(shape.member) for _ in range(max(least or 0, 1))]
    if shape.type_name == "map":
        return {sample(shape.key): sample(shape.value)}
    if shape.type_name == "boolean":
        return True
    if shape.type_name in ("integer", "float"):
        return least or 0
    if shape.metadata.get("enum"):
        return shape.metadata["enum"][0]
    if shape.name == "AutoParticipantRecordingStorageConfigurationArn":
        return ""
    if expression := service.pattern(shape):
        return pattern.matching(expression, max(least or 0, len(pattern.shortest(expression)), 1))
    return "x" * max(least or 0, 1)


# How to make a value: for one member of one operation, or for a shape in general.
MAKERS = {
    ("DeleteStage", "arn"): World.new_stage,
    ("UpdateStage", "arn"): lambda world: world.scratch,
    ("CreateParticipantToken", "stageArn"): lambda world: world.scratch,
    ("DisconnectParticipant", "participantId"): World.disposable_participant,
    ("StartParticipantReplication", "destinationStageArn"): World.new_stage,
    ("StopParticipantReplication", "destinationStageArn"): World.new_stage,
    ("DeletePublicKey", "arn"): World.disposable_public_key,
    ("DeleteEncoderConfiguration", "arn"): World.new_encoder_configuration,
    ("DeleteStorageConfiguration", "arn"): World.new_storage_configuration,
    ("DeleteIngestConfiguration", "arn"): World.new_ingest_configuration,
    ("UpdateIngestConfiguration", "arn"): World.new_ingest_configuration,
    # RTMP needs insecureIngest.
    ("CreateIngestConfiguration", "ingestProtocol"): lambda _: "RTMPS",
    ("TagResource", "resourceArn"): World.new_stage,
    ("StopComposition", "arn"): World.disposable_composition,
    "ChannelArn": World.new_channel,
    "CompositionArn": World.kept_composition,
    # Any id may be revoked, whether a token has it or not.
    "ConnectionTokenId": lambda _: "c9Xk2ZpLw0Xe",
    "EncoderConfigurationArn": World.kept_encoder_configuration,
    "IngestConfigurationArn": World.kept_ingest_configuration,
    "IngestConfigurationStageArn": lambda world: world.source,
    "PublicKeyArn": World.kept_public_key,
    "PublicKeyMaterial": lambda _: pem(),
    "ResourceArn": lambda world: world.scratch,
    "StageArn": lambda world: world.source,
    "StageSessionId": lambda world: world.session,
    "ParticipantId": lambda world: world.participant,
    "AutoParticipantRecordingStorageConfigurationArn": World.kept_storage_configuration,
    "StorageConfigurationArn": World.kept_storage_configuration,
}
