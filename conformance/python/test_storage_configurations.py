"""Storage configurations with boto3: the whole story, what is refused, buckets that cannot be written, a restart."""

import os

import pytest

from support import api
from support.api import ACCOUNT, REGION, refused
from support.server import Server
from test_db import db

ARN = f"arn:aws:ivs:{REGION}:{ACCOUNT}:storage-configuration/AAAAbbbb1234"
S3 = {"bucketName": "my-vods"}


def create(ivs, **members):
    return ivs.create_storage_configuration(**{"s3": S3} | members)["storageConfiguration"]


def get(ivs, arn):
    return ivs.get_storage_configuration(arn=arn)["storageConfiguration"]


def listed(ivs, **members):
    """Every page, as they come."""
    page = ivs.list_storage_configurations(**members)
    yield page["storageConfigurations"]
    while "nextToken" in page:
        page = ivs.list_storage_configurations(**members, nextToken=page["nextToken"])
        yield page["storageConfigurations"]


@pytest.fixture
def fresh(ivs):
    """An empty list before the test and after it."""
    assert list(listed(ivs)) == [[]]
    yield ivs
    for page in list(listed(ivs)):
        for row in page:
            ivs.delete_storage_configuration(arn=row["arn"])


def test_create_get_list_delete(server, fresh):
    ivs = fresh
    made = create(ivs, name="vods", tags={"team": "blue"})
    prefix, _, identifier = made["arn"].rpartition("/")
    assert prefix == f"arn:aws:ivs:{REGION}:{ACCOUNT}:storage-configuration"
    assert len(identifier) == 12 and identifier.isalnum()
    assert made == {"arn": made["arn"], "name": "vods", "s3": S3, "tags": {"team": "blue"}}
    assert get(ivs, made["arn"]) == made
    assert list(listed(ivs)) == [[made]]
    assert create(ivs) | {"arn": ""} == {"arn": "", "name": "", "s3": S3, "tags": {}}, "as often as one likes"
    # In the default folder a bucket is made when it is named.
    assert (server.data_dir / "recordings" / "my-vods").is_dir()
    assert ivs.delete_storage_configuration(arn=made["arn"])["ResponseMetadata"]["HTTPStatusCode"] == 200
    for call in (ivs.get_storage_configuration, ivs.delete_storage_configuration):
        with refused("ResourceNotFoundException", 404, made["arn"]):
            call(arn=made["arn"])


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"name": "two words"}, ["name"]),
        ({"name": "x" * 129}, ["name", "128"]),
        ({"s3": None}, ["s3"]),
        ({"s3": {}}, ["s3.bucketName"]),
        ({"s3": {"bucketName": "ab"}}, ["s3.bucketName", "3"]),
        ({"s3": {"bucketName": "x" * 64}}, ["s3.bucketName", "63"]),
        ({"s3": {"bucketName": "My-Vods"}}, ["s3.bucketName"]),
        ({"s3": {"bucketName": "a/../../b"}}, ["s3.bucketName"]),
        ({"tags": {"aws:x": "y"}}, ["tags", "aws:"]),
        ({"tags": {f"k{n}": "" for n in range(51)}}, ["tags", "50"]),
    ],
)
def test_what_breaks_a_rule_makes_nothing(server, fresh, members, words):
    unchecked = api.client(server, parameter_validation=False)
    members = {name: value for name, value in ({"s3": S3} | members).items() if value is not None}
    with refused("ValidationException", 400, *words):
        unchecked.create_storage_configuration(**members)
    assert list(listed(fresh)) == [[]]


@pytest.mark.parametrize("name", ["...", "a..b", "-ab", "ab-", ".ab"])
def test_a_name_that_no_bucket_can_have_is_not_found(fresh, name):
    with refused("ResourceNotFoundException", 404, "s3.bucketName"):
        create(fresh, s3={"bucketName": name})
    assert list(listed(fresh)) == [[]]


def test_a_bucket_that_cannot_be_written_makes_nothing(server, fresh):
    folder = server.data_dir / "recordings"
    folder.mkdir(exist_ok=True)
    (folder / "a-file").write_text("")
    with refused("AccessDeniedException", 403, "s3.bucketName", "a-file"):
        create(fresh, s3={"bucketName": "a-file"})
    if os.geteuid() != 0:
        (folder / "closed").mkdir(mode=0o500, exist_ok=True)
        with refused("AccessDeniedException", 403, "s3.bucketName", "closed"):
            create(fresh, s3={"bucketName": "closed"})
    assert list(listed(fresh)) == [[]]


@pytest.mark.parametrize(
    ("arn", "code", "status"),
    [
        (ARN, "ResourceNotFoundException", 404),
        (ARN.replace(ACCOUNT, "999988887777"), "AccessDeniedException", 403),
        (ARN.replace("storage-configuration", "stage"), "ValidationException", 400),
        (ARN.replace("storage-configuration", "encoder-configuration"), "ValidationException", 400),
    ],
)
def test_arns_that_name_none_of_ours(ivs, arn, code, status):
    for call in (ivs.get_storage_configuration, ivs.delete_storage_configuration):
        with refused(code, status):
            call(arn=arn)


def test_a_configuration_belongs_to_its_region(server, fresh):
    made = create(fresh)
    elsewhere = api.client(server, region="us-east-1")
    assert list(listed(elsewhere)) == [[]]
    for call in (elsewhere.get_storage_configuration, elsewhere.delete_storage_configuration):
        with refused("ResourceNotFoundException", 404):
            call(arn=made["arn"])
    assert get(fresh, made["arn"]) == made


def test_pages_in_the_order_of_creation_whatever_comes_and_goes(server, fresh):
    ivs = fresh
    names = [f"storage-{n:03}" for n in range(60)]
    arns = {name: create(ivs, name=name)["arn"] for name in names}
    for size in (1, 7, 100):
        pages = list(listed(ivs, maxResults=size))
        assert [row["name"] for page in pages for row in page] == names
        assert all(len(page) == size for page in pages[:-1])
    pages = listed(ivs, maxResults=25)
    seen = [row["name"] for row in next(pages)]
    for name in (names[10], names[24], names[30]):
        ivs.delete_storage_configuration(arn=arns[name])
    create(ivs, name="late")
    seen += [row["name"] for page in pages for row in page]
    assert seen == [*names[:30], *names[31:], "late"]
    unchecked = api.client(server, parameter_validation=False)
    for size in (0, 101):
        with refused("ValidationException", 400, "maxResults", "100"):
            unchecked.list_storage_configurations(maxResults=size)
    token = ivs.list_storage_configurations(maxResults=1)["nextToken"]
    with refused("ValidationException", 400, "nextToken"):
        ivs.list_encoder_configurations(nextToken=token)


def test_one_that_a_stage_records_with_stays(fresh, stages):
    made = create(fresh)
    recording = {"storageConfigurationArn": made["arn"]}
    stage = fresh.create_stage(autoParticipantRecordingConfiguration=recording)["stage"]["arn"]
    with refused("ConflictException", 409, "stages that record with this storage configuration", "UpdateStage"):
        fresh.delete_storage_configuration(arn=made["arn"])
    off = {"storageConfigurationArn": ""}
    fresh.update_stage(arn=stage, autoParticipantRecordingConfiguration=off)
    fresh.delete_storage_configuration(arn=made["arn"])
    fresh.delete_stage(arn=stage)


def test_a_restart_and_a_backup_keep_them(tmp_path):
    server = Server(tmp_path / "data", name="test_storage_configurations_kept").start()
    ivs = api.client(server)
    made = create(ivs, name="kept", tags={"a": "b"})
    recording = {"storageConfigurationArn": made["arn"], "mediaTypes": ["AUDIO_ONLY"]}
    stage = ivs.create_stage(autoParticipantRecordingConfiguration=recording)["stage"]
    server.stop()
    server.start()
    assert get(api.client(server), made["arn"]) == made
    file = tmp_path / "restage.backup"
    db(server, "backup", str(file))
    db(server, "check")
    server.stop()
    other = Server(tmp_path / "other", name="test_storage_configurations_restored")
    other.data_dir.mkdir()
    db(other, "restore", str(file))
    db(other, "check")
    for secret in ("tokens.key", "credentials"):
        (other.data_dir / secret).write_bytes((server.data_dir / secret).read_bytes())
        (other.data_dir / secret).chmod(0o600)
    other.start()
    ivs = api.client(other)
    assert get(ivs, made["arn"]) == made
    kept = ivs.get_stage(arn=stage["arn"])["stage"]
    part = "autoParticipantRecordingConfiguration"
    assert kept[part] == stage[part]
    other.stop()
