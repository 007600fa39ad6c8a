"""Accounts and keys: resources of one account are hidden from others, and a key allows what its permission says."""

import json
import tomllib

import botocore.exceptions
import pytest

from support import api
from support.api import REGION, refused
from support.server import ROOT, Server
from support.tokens import KeyPair
from support.wait import eventually
from test_whip import SDP, assert_error, bearer, make_offer

ANN, BOB = "111122223333", "444455556666"
DENIED, UNKNOWN, INVALID = "AccessDeniedException", "ResourceNotFoundException", "ValidationException"
BUCKET = {"bucketName": "accounts"}
CONFIG_KEY = ("AKIAFROMTHEFILE", "a secret of the configuration")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server with a key of the configuration file beside those that commands make."""
    home = tmp_path_factory.mktemp("accounts")
    (home / "secret").write_text(CONFIG_KEY[1] + "\n")
    (home / "restage.toml").write_text(
        f'access-keys = [{{ account-id = "{BOB}", access-key-id = "{CONFIG_KEY[0]}", '
        f'secret-file = "{home / "secret"}", permission = "read-only" }}]\n'
    )
    started = Server(home / "data", "--config", str(home / "restage.toml"), name="test_accounts").start()
    yield started
    started.stop()


def keys(server, *arguments, check=True):
    done = server.command("keys", *arguments, "--data-dir", str(server.data_dir), check=check)
    return done if not check else done.stdout


def make(server, account, permission="full"):
    made = keys(server, "create", "--account-id", account, "--permission", permission, "--output", "json")
    return json.loads(made)


def client(server, made, **more):
    return api.client(server, keys=(made["accessKeyId"], made["secretAccessKey"]), **more)


@pytest.fixture(scope="module")
def ann(server):
    return client(server, make(server, ANN))


@pytest.fixture(scope="module")
def bob(server):
    return client(server, make(server, BOB))


@pytest.fixture(scope="module")
def hers(ann, media_loop):
    """Ann's resources: two stages, a public key, three configurations, a publisher, a replica of it, a composition."""
    stages = api.Stages(ann)
    source, destination = stages.create("source"), stages.create("destination")
    participant, token = stages.token(source)
    media_loop.publish(token, with_video=False)
    stages.replicate(source, destination, participant)
    key = KeyPair().import_into(ann)
    made = {
        "stage": source,
        "destination": destination,
        "participant": participant,
        "session": stages.session(source),
        "key": key.arn,
        "connection": key.connection_token(ann.get_stage(arn=source)["stage"]),
        "encoder": ann.create_encoder_configuration()["encoderConfiguration"]["arn"],
        "ingest": ann.create_ingest_configuration(ingestProtocol="RTMPS")["ingestConfiguration"]["arn"],
        "storage": ann.create_storage_configuration(s3=BUCKET)["storageConfiguration"]["arn"],
    }
    started = ann.start_composition(stageArn=source, destinations=[bucket(made["storage"], made["encoder"])])
    made["composition"] = started["composition"]["arn"]
    yield made
    ann.stop_composition(arn=made["composition"])
    media_loop.close_peers()


def bucket(storage, encoder):
    """A destination of a composition."""
    return {"s3": {"storageConfigurationArn": storage, "encoderConfigurationArns": [encoder]}}


# Each operation as another account would call it on Ann's resources, and the code of the answer. An operation that
# takes no ARN is checked by what it lists.


def refusal_of(call, *arguments):
    """The code a call is refused with."""
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(*arguments)
    return caught.value.response["Error"]["Code"]


def denied(call, code):
    return call, code


def shows_nothing(call):
    return call, None


WALK = {
    "CreateStage": shows_nothing(lambda bob, hers: bob.create_stage(name="bobs")),
    "GetStage": denied(lambda bob, hers: bob.get_stage(arn=hers["stage"]), DENIED),
    "ListStages": shows_nothing(lambda bob, hers: bob.list_stages(maxResults=100)),
    "UpdateStage": denied(lambda bob, hers: bob.update_stage(arn=hers["stage"], name="mine"), DENIED),
    "DeleteStage": denied(lambda bob, hers: bob.delete_stage(arn=hers["stage"]), DENIED),
    "CreateParticipantToken": denied(lambda bob, hers: bob.create_participant_token(stageArn=hers["stage"]), DENIED),
    "DisconnectParticipant": denied(
        lambda bob, hers: bob.disconnect_participant(stageArn=hers["stage"], participantId=hers["participant"]), DENIED
    ),
    "ListStageSessions": denied(lambda bob, hers: bob.list_stage_sessions(stageArn=hers["stage"]), DENIED),
    "GetStageSession": denied(
        lambda bob, hers: bob.get_stage_session(stageArn=hers["stage"], sessionId=hers["session"]), DENIED
    ),
    "ListParticipants": denied(
        lambda bob, hers: bob.list_participants(stageArn=hers["stage"], sessionId=hers["session"]), DENIED
    ),
    "GetParticipant": denied(
        lambda bob, hers: bob.get_participant(
            stageArn=hers["stage"], sessionId=hers["session"], participantId=hers["participant"]
        ),
        DENIED,
    ),
    "ListParticipantEvents": denied(
        lambda bob, hers: bob.list_participant_events(
            stageArn=hers["stage"], sessionId=hers["session"], participantId=hers["participant"]
        ),
        DENIED,
    ),
    "StartParticipantReplication": denied(
        lambda bob, hers: bob.start_participant_replication(
            sourceStageArn=hers["stage"], destinationStageArn=own(bob), participantId=hers["participant"]
        ),
        DENIED,
    ),
    "StopParticipantReplication": denied(
        lambda bob, hers: bob.stop_participant_replication(
            sourceStageArn=hers["stage"], destinationStageArn=hers["destination"], participantId=hers["participant"]
        ),
        DENIED,
    ),
    "ListParticipantReplicas": denied(
        lambda bob, hers: bob.list_participant_replicas(
            sourceStageArn=hers["stage"], participantId=hers["participant"]
        ),
        DENIED,
    ),
    "ImportPublicKey": shows_nothing(
        lambda bob, hers: bob.import_public_key(publicKeyMaterial=KeyPair().public_pem)["publicKey"]["arn"]
    ),
    "GetPublicKey": denied(lambda bob, hers: bob.get_public_key(arn=hers["key"]), DENIED),
    "ListPublicKeys": shows_nothing(lambda bob, hers: bob.list_public_keys(maxResults=100)),
    "DeletePublicKey": denied(lambda bob, hers: bob.delete_public_key(arn=hers["key"]), DENIED),
    "CreateStorageConfiguration": shows_nothing(lambda bob, hers: bob.create_storage_configuration(s3=BUCKET)),
    "GetStorageConfiguration": denied(lambda bob, hers: bob.get_storage_configuration(arn=hers["storage"]), DENIED),
    "ListStorageConfigurations": shows_nothing(lambda bob, hers: bob.list_storage_configurations(maxResults=100)),
    "DeleteStorageConfiguration": denied(
        lambda bob, hers: bob.delete_storage_configuration(arn=hers["storage"]), DENIED
    ),
    "CreateEncoderConfiguration": shows_nothing(lambda bob, hers: bob.create_encoder_configuration(name="bobs")),
    "GetEncoderConfiguration": denied(lambda bob, hers: bob.get_encoder_configuration(arn=hers["encoder"]), DENIED),
    "ListEncoderConfigurations": shows_nothing(lambda bob, hers: bob.list_encoder_configurations(maxResults=100)),
    "DeleteEncoderConfiguration": denied(
        lambda bob, hers: bob.delete_encoder_configuration(arn=hers["encoder"]), DENIED
    ),
    "CreateIngestConfiguration": denied(
        lambda bob, hers: bob.create_ingest_configuration(ingestProtocol="RTMPS", stageArn=hers["stage"]), DENIED
    ),
    "GetIngestConfiguration": denied(lambda bob, hers: bob.get_ingest_configuration(arn=hers["ingest"]), DENIED),
    "ListIngestConfigurations": shows_nothing(lambda bob, hers: bob.list_ingest_configurations(maxResults=100)),
    "UpdateIngestConfiguration": denied(
        lambda bob, hers: bob.update_ingest_configuration(arn=hers["ingest"], stageArn=""), DENIED
    ),
    "DeleteIngestConfiguration": denied(
        lambda bob, hers: bob.delete_ingest_configuration(arn=hers["ingest"], force=True), DENIED
    ),
    "StartComposition": denied(
        lambda bob, hers: bob.start_composition(
            stageArn=hers["stage"], destinations=[bucket(hers["storage"], hers["encoder"])]
        ),
        DENIED,
    ),
    "GetComposition": denied(lambda bob, hers: bob.get_composition(arn=hers["composition"]), DENIED),
    "ListCompositions": shows_nothing(lambda bob, hers: bob.list_compositions(maxResults=100)),
    "StopComposition": denied(lambda bob, hers: bob.stop_composition(arn=hers["composition"]), DENIED),
    # These three model no AccessDeniedException.
    "TagResource": denied(lambda bob, hers: bob.tag_resource(resourceArn=hers["stage"], tags={"a": "b"}), UNKNOWN),
    # Ids of connection tokens are an account's own, and any may be revoked.
    "RevokeConnectionToken": shows_nothing(
        lambda bob, hers: bob.revoke_connection_token(tokenId=api.payload(hers["connection"])["jti"])
    ),
    "UntagResource": denied(lambda bob, hers: bob.untag_resource(resourceArn=hers["key"], tagKeys=["a"]), UNKNOWN),
    "ListTagsForResource": denied(lambda bob, hers: bob.list_tags_for_resource(resourceArn=hers["stage"]), UNKNOWN),
}


def own(ivs):
    return ivs.create_stage()["stage"]["arn"]


def served():
    """The operations there are; conformance/model fails when the list is not the server's."""
    return tomllib.loads((ROOT / "conformance/model/operations.toml").read_text())["served"]


def test_the_walk_leaves_no_operation_out():
    assert sorted(WALK) == sorted(served())


@pytest.mark.parametrize("operation", sorted(WALK))
def test_what_is_anns_is_not_bobs(bob, hers, operation):
    call, code = WALK[operation]
    if code is not None:
        assert refusal_of(call, bob, hers) == code
        return
    text = json.dumps(call(bob, hers), default=str)
    assert ANN not in text
    assert hers["participant"] not in text


@pytest.mark.parametrize("operation", [name for name in sorted(WALK) if WALK[name][1] is not None])
def test_writing_ones_own_account_into_her_arn_does_not_help(bob, hers, operation):
    """The ARN then names something of Bob's that is not there."""
    forged = {name: value.replace(ANN, BOB) for name, value in hers.items()}
    assert refusal_of(WALK[operation][0], bob, forged) in (UNKNOWN, INVALID)


def test_a_composition_uses_nobody_elses_configurations(bob, hers):
    own_storage = bob.create_storage_configuration(s3=BUCKET)["storageConfiguration"]["arn"]
    own_encoder = bob.create_encoder_configuration()["encoderConfiguration"]["arn"]
    for storage, encoder in ((hers["storage"], own_encoder), (own_storage, hers["encoder"])):
        call = lambda: bob.start_composition(stageArn=own(bob), destinations=[bucket(storage, encoder)])  # noqa: B023, E731
        assert refusal_of(call) == DENIED


def test_hers_is_as_it_was(ann, hers):
    assert ann.get_stage(arn=hers["stage"])["stage"]["name"] == "source"
    assert ann.get_public_key(arn=hers["key"])["publicKey"]["tags"] == {}
    assert ann.get_encoder_configuration(arn=hers["encoder"])["encoderConfiguration"]["tags"] == {}
    replicas = ann.list_participant_replicas(sourceStageArn=hers["stage"], participantId=hers["participant"])
    assert [row["replicationState"] for row in replicas["replicas"]] == ["ACTIVE"]


def test_her_connection_token_is_not_revoked_by_him(bob, hers, media):
    bob.revoke_connection_token(tokenId=api.payload(hers["connection"])["jti"])
    socket = media.connection(hers["connection"])
    eventually(lambda: socket.frames or socket.is_closed, what="answered")
    assert [frame["type"] for frame in socket.frames] == ["CONNECTION_STATE"]


def test_her_participant_cannot_be_replicated_into_his_stage(ann, bob, hers):
    with refused(DENIED, 403, "destinationStageArn"):
        ann.start_participant_replication(
            sourceStageArn=hers["stage"], destinationStageArn=own(bob), participantId=hers["participant"]
        )


def test_page_tokens_are_their_accounts(ann, bob):
    for _ in range(2):
        own(ann), own(bob)
    token = ann.list_stages(maxResults=1)["nextToken"]
    assert ann.list_stages(nextToken=token)["stages"]
    with refused(INVALID, 400, "nextToken"):
        bob.list_stages(nextToken=token)


def test_a_key_of_one_account_signs_no_token_for_the_other(ann, bob, media):
    pair = KeyPair().import_into(bob)
    hers = ann.create_stage()["stage"]
    refusal = media.request(
        "POST",
        hers["endpoints"]["whip"],
        data=make_offer(media),
        headers=bearer(pair.token(hers, "mallory"), Content_Type=SDP),
    )
    assert "kid" in assert_error(refusal, 401, "TOKEN_MALFORMED")


# Permission.


def test_a_read_only_key_reads(server, ann, hers):
    made = make(server, ANN, "read-only")
    reader = client(server, made)
    assert reader.get_stage(arn=hers["stage"])["stage"]["name"] == "source"
    assert reader.list_public_keys()["publicKeys"]
    for call, name in (
        (lambda: reader.create_stage(), "CreateStage"),
        (lambda: reader.tag_resource(resourceArn=hers["stage"], tags={"a": "b"}), "TagResource"),
        (lambda: reader.create_participant_token(stageArn=hers["stage"]), "CreateParticipantToken"),
    ):
        with refused(DENIED, 403, made["accessKeyId"], name, "read-only"):
            call()


def test_a_key_for_some_operations(server, hers):
    minter = client(server, make(server, ANN, "CreateParticipantToken,GetStage"))
    assert minter.create_participant_token(stageArn=hers["stage"])["participantToken"]["token"]
    minter.get_stage(arn=hers["stage"])
    with refused(DENIED, 403, "ListStages", "CreateParticipantToken", "GetStage"):
        minter.list_stages()


def test_a_key_of_the_configuration_file(server, bob):
    arn = own(bob)
    reader = api.client(server, keys=CONFIG_KEY)
    assert arn in {stage["arn"] for stage in reader.list_stages(maxResults=100)["stages"]}
    with refused(DENIED, 403, CONFIG_KEY[0], "read-only"):
        reader.delete_stage(arn=arn)


def test_the_data_directorys_own_key_has_an_account_of_its_own(server, hers):
    root = api.client(server)
    assert f":{api.ACCOUNT}:" in own(root)
    with refused(DENIED, 403):
        root.get_stage(arn=hers["stage"])


# The commands, while the server runs.


def test_keys_are_made_listed_rotated_and_revoked(server):
    made = make(server, ANN)
    ivs = client(server, made)
    assert f":{ANN}:" in own(ivs)
    listed = json.loads(keys(server, "list", "--output", "json"))["accessKeys"]
    (row,) = [row for row in listed if row["accessKeyId"] == made["accessKeyId"]]
    assert row == {name: made[name] for name in ("accessKeyId", "inUse", "accountId", "permission", "createdAt")}
    own_key, _ = server.credentials()
    assert [row["accessKeyId"] for row in listed if row["inUse"]] == [own_key]
    newer = json.loads(keys(server, "rotate", made["accessKeyId"], "--output", "json"))
    assert (newer["accountId"], newer["permission"]) == (ANN, "full")
    ivs.list_stages()
    client(server, newer).list_stages()
    keys(server, "revoke", made["accessKeyId"])
    with refused("UnrecognizedClientException", 403):
        ivs.list_stages()
    last = json.loads(keys(server, "rotate", newer["accessKeyId"], "--overlap", "0", "--output", "json"))
    with refused("UnrecognizedClientException", 403):
        client(server, newer).list_stages()
    client(server, last).list_stages()
    assert keys(server, "revoke", made["accessKeyId"], check=False).returncode == 1
    assert keys(server, "create", "--account-id", "12", check=False).returncode == 2
    assert (
        "CreateStages"
        in keys(server, "create", "--account-id", ANN, "--permission", "CreateStages", check=False).stderr
    )


def test_the_servers_own_key_is_replaced_otherwise(server):
    own_key, _ = server.credentials()
    for command in ("revoke", "rotate"):
        done = keys(server, command, own_key, check=False)
        assert done.returncode == 1
        assert "credentials" in done.stderr and "delete that file" in done.stderr


def test_the_configuration_file_says_where_the_keys_are(server, tmp_path):
    file = tmp_path / "restage.toml"
    file.write_text(f'data-dir = "{server.data_dir}"\nwebhook-url = "http://127.0.0.1:1/hook"\n')
    done = server.command("keys", "create", "--account-id", ANN, "--output", "json", "--config", str(file))
    assert str(server.data_dir) in done.stderr
    made = json.loads(done.stdout)
    assert f":{ANN}:" in own(client(server, made))
    server.command("keys", "revoke", made["accessKeyId"], "--config", str(file))
    with refused("UnrecognizedClientException", 403):
        client(server, made).list_stages()


def test_text_output_is_what_a_credentials_file_wants(server):
    lines = keys(server, "create", "--account-id", ANN).splitlines()
    said = dict(line.split(" = ") for line in lines)
    assert set(said) == {"aws_access_key_id", "aws_secret_access_key"}
    made = (said["aws_access_key_id"], said["aws_secret_access_key"])
    assert f":{ANN}:" in own(api.client(server, keys=made, region=REGION))


def test_secrets_are_nowhere_in_the_clear(server):
    made = make(server, ANN)
    client(server, made).list_stages()
    secret = made["secretAccessKey"].encode()
    files = [path for path in server.data_dir.rglob("*") if path.is_file()]
    assert files and all(secret not in path.read_bytes() for path in files)
    for name in ("access-keys.toml", "access-keys.key"):
        assert (server.data_dir / name).stat().st_mode & 0o777 == 0o600
    assert made["secretAccessKey"] not in "\n".join(server.log)
