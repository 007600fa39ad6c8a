"""Encoder configurations with boto3: the whole story, what is refused, pages, a restart, a backup."""

import pytest

from support import api
from support.api import ACCOUNT, REGION, refused
from support.server import Server
from test_db import db

DEFAULTS = {"width": 1280, "height": 720, "framerate": 30.0, "bitrate": 2_500_000}
ARN = f"arn:aws:ivs:{REGION}:{ACCOUNT}:encoder-configuration/AAAAbbbb1234"


def create(ivs, **members):
    return ivs.create_encoder_configuration(**members)["encoderConfiguration"]


def get(ivs, arn):
    return ivs.get_encoder_configuration(arn=arn)["encoderConfiguration"]


def listed(ivs, **members):
    """Every page, as they come."""
    page = ivs.list_encoder_configurations(**members)
    yield page["encoderConfigurations"]
    while "nextToken" in page:
        page = ivs.list_encoder_configurations(**members, nextToken=page["nextToken"])
        yield page["encoderConfigurations"]


@pytest.fixture
def fresh(ivs):
    """An empty list before the test and after it."""
    assert list(listed(ivs)) == [[]]
    yield ivs
    for page in list(listed(ivs)):
        for row in page:
            ivs.delete_encoder_configuration(arn=row["arn"])


def test_create_get_list_delete(fresh):
    ivs = fresh
    video = {"width": 1920, "height": 1080, "framerate": 29.97, "bitrate": 6_000_000}
    made = create(ivs, name="full-hd", video=video, tags={"team": "blue"})
    prefix, _, identifier = made["arn"].rpartition("/")
    assert prefix == f"arn:aws:ivs:{REGION}:{ACCOUNT}:encoder-configuration"
    assert len(identifier) == 12 and identifier.isalnum()
    assert made == {"arn": made["arn"], "name": "full-hd", "video": video, "tags": {"team": "blue"}}
    assert get(ivs, made["arn"]) == made
    summary = {"arn": made["arn"], "name": "full-hd", "tags": {"team": "blue"}}
    assert list(listed(ivs)) == [[summary]]
    assert ivs.delete_encoder_configuration(arn=made["arn"])["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert list(listed(ivs)) == [[]]
    for call in (ivs.get_encoder_configuration, ivs.delete_encoder_configuration):
        with refused("ResourceNotFoundException", 404, made["arn"]):
            call(arn=made["arn"])


@pytest.mark.parametrize(
    ("given", "video"),
    [
        (None, DEFAULTS),
        ({}, DEFAULTS),
        ({"bitrate": 1}, DEFAULTS | {"bitrate": 1}),
        ({"width": 1080, "height": 1920}, DEFAULTS | {"width": 1080, "height": 1920}),
        ({"framerate": 60}, DEFAULTS | {"framerate": 60.0}),
    ],
)
def test_what_is_not_given_has_the_services_defaults(fresh, given, video):
    made = create(fresh) if given is None else create(fresh, video=given)
    assert made["name"] == "" and made["tags"] == {}
    assert made["video"] == get(fresh, made["arn"])["video"] == video


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"name": "two words"}, ["name"]),
        ({"name": "x" * 129}, ["name", "128"]),
        ({"video": {"width": 1279}}, ["video.width", "even"]),
        ({"video": {"height": 3}}, ["video.height", "even"]),
        ({"video": {"width": 0}}, ["video.width", "2", "1920"]),
        ({"video": {"width": 1922}}, ["video.width", "2", "1920"]),
        ({"video": {"width": 1920, "height": 1082}}, ["video.width", "video.height", "2073600 pixels"]),
        ({"video": {"height": 1920}}, ["video.height", "1280x1920"]),
        ({"video": {"framerate": 60.5}}, ["video.framerate", "1", "60"]),
        ({"video": {"framerate": 0}}, ["video.framerate"]),
        ({"video": {"bitrate": 8_500_001}}, ["video.bitrate", "8500000"]),
        ({"video": {"bitrate": 0}}, ["video.bitrate"]),
        ({"tags": {"aws:x": "y"}}, ["tags", "aws:"]),
        ({"tags": {f"k{n}": "" for n in range(51)}}, ["tags", "50"]),
    ],
)
def test_what_breaks_a_rule_makes_nothing(server, fresh, members, words):
    unchecked = api.client(server, parameter_validation=False)
    with refused("ValidationException", 400, *words):
        create(unchecked, **members)
    assert list(listed(fresh)) == [[]]


@pytest.mark.parametrize(
    ("arn", "code", "status"),
    [
        (ARN, "ResourceNotFoundException", 404),
        (ARN.replace(ACCOUNT, "999988887777"), "AccessDeniedException", 403),
        (ARN.replace("encoder-configuration", "stage"), "ValidationException", 400),
        (ARN.replace("encoder-configuration", "public-key"), "ValidationException", 400),
    ],
)
def test_arns_that_name_none_of_ours(ivs, arn, code, status):
    for call in (ivs.get_encoder_configuration, ivs.delete_encoder_configuration):
        with refused(code, status):
            call(arn=arn)


def test_a_configuration_belongs_to_its_region(server, fresh):
    made = create(fresh)
    elsewhere = api.client(server, region="us-east-1")
    assert list(listed(elsewhere)) == [[]]
    for call in (elsewhere.get_encoder_configuration, elsewhere.delete_encoder_configuration):
        with refused("ResourceNotFoundException", 404):
            call(arn=made["arn"])
    assert get(fresh, made["arn"]) == made


def test_the_id_of_one_kind_names_nothing_of_another(fresh, stages):
    arn = stages.create()
    with refused("ResourceNotFoundException", 404):
        get(fresh, ARN.rpartition("/")[0] + "/" + arn.rpartition("/")[2])
    fresh.delete_stage(arn=arn)


def test_pages_in_the_order_of_creation_whatever_comes_and_goes(server, fresh):
    ivs = fresh
    names = [f"encoder-{n:03}" for n in range(120)]
    arns = {name: create(ivs, name=name)["arn"] for name in names}
    for size in (1, 7, 100):
        pages = list(listed(ivs, maxResults=size))
        assert [row["name"] for page in pages for row in page] == names
        assert all(len(page) == size for page in pages[:-1])
    # The service's own default.
    assert [len(page) for page in listed(ivs)] == [100, 20]
    pages = listed(ivs, maxResults=50)
    seen = [row["name"] for row in next(pages)]
    for name in (names[10], names[49], names[60]):
        ivs.delete_encoder_configuration(arn=arns[name])
    create(ivs, name="late")
    seen += [row["name"] for page in pages for row in page]
    assert seen == [*names[:60], *names[61:], "late"]
    unchecked = api.client(server, parameter_validation=False)
    for size in (0, 101):
        with refused("ValidationException", 400, "maxResults", "100"):
            unchecked.list_encoder_configurations(maxResults=size)
    token = ivs.list_encoder_configurations(maxResults=1)["nextToken"]
    with refused("ValidationException", 400, "nextToken"):
        ivs.list_public_keys(nextToken=token)


def test_a_body_as_large_as_its_members_may_be(fresh):
    """Fifty tags of the longest keys and values, of characters that take twelve bytes of JSON each."""
    tags = {f"{n:02}" + "😀" * 126: "😀" * 256 for n in range(50)}
    assert create(fresh, tags=tags)["tags"] == tags


def test_a_restart_and_a_backup_keep_them(tmp_path):
    server = Server(tmp_path / "data", name="test_encoder_configurations_kept").start()
    made = create(api.client(server), name="kept", video={"bitrate": 1_000_000}, tags={"a": "b"})
    server.stop()
    server.start()
    assert get(api.client(server), made["arn"]) == made
    file = tmp_path / "restage.backup"
    db(server, "backup", str(file))
    db(server, "check")
    server.stop()
    other = Server(tmp_path / "other", name="test_encoder_configurations_restored")
    other.data_dir.mkdir()
    db(other, "restore", str(file))
    db(other, "check")
    for secret in ("tokens.key", "credentials"):
        (other.data_dir / secret).write_bytes((server.data_dir / secret).read_bytes())
        (other.data_dir / secret).chmod(0o600)
    other.start()
    assert get(api.client(other), made["arn"]) == made
    other.stop()
