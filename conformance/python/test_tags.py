"""TagResource, UntagResource, ListTagsForResource: of every kind of resource, by boto3 and by plain requests."""

import pytest

from support import api
from support.api import ACCOUNT, REGION, refused
from support.tokens import KeyPair


def tags(ivs, arn):
    return ivs.list_tags_for_resource(resourceArn=arn)["tags"]


@pytest.fixture(scope="module")
def key(ivs):
    return KeyPair().import_into(ivs, name="tagged")


@pytest.fixture(scope="module")
def encoder(ivs):
    return ivs.create_encoder_configuration(name="tagged")["encoderConfiguration"]["arn"]


@pytest.fixture(scope="module")
def storage(ivs):
    made = ivs.create_storage_configuration(name="tagged", s3={"bucketName": "tagged"})
    return made["storageConfiguration"]["arn"]


@pytest.fixture(scope="module")
def ingest(ivs):
    made = ivs.create_ingest_configuration(name="tagged", ingestProtocol="RTMPS")
    return made["ingestConfiguration"]["arn"]


KINDS = ["stage", "public-key", "encoder-configuration", "storage-configuration", "ingest-configuration"]


@pytest.fixture(params=KINDS)
def arn(request, ivs, stages, key, encoder, storage, ingest):
    """A resource of each kind there is, without tags."""
    kept = {"public-key": key.arn, "encoder-configuration": encoder, "storage-configuration": storage}
    kept["ingest-configuration"] = ingest
    made = kept.get(request.param) or stages.create("tagged")
    assert tags(ivs, made) == {}
    yield made
    ivs.untag_resource(resourceArn=made, tagKeys=list(tags(ivs, made)) or ["none"])


def shown(ivs, arn):
    """The tags that the resource itself shows, alone and in its list."""
    if ":stage/" in arn:
        alone, listed = ivs.get_stage(arn=arn)["stage"], ivs.list_stages(maxResults=100)["stages"]
    elif ":encoder-configuration/" in arn:
        alone = ivs.get_encoder_configuration(arn=arn)["encoderConfiguration"]
        listed = ivs.list_encoder_configurations()["encoderConfigurations"]
    elif ":ingest-configuration/" in arn:
        # Its list shows no tags.
        return ivs.get_ingest_configuration(arn=arn)["ingestConfiguration"]["tags"]
    elif ":storage-configuration/" in arn:
        alone = ivs.get_storage_configuration(arn=arn)["storageConfiguration"]
        listed = ivs.list_storage_configurations()["storageConfigurations"]
    else:
        alone, listed = ivs.get_public_key(arn=arn)["publicKey"], ivs.list_public_keys()["publicKeys"]
    (in_list,) = [item for item in listed if item["arn"] == arn]
    assert in_list["tags"] == alone["tags"]
    return alone["tags"]


def test_tags_are_added_replaced_and_removed(ivs, arn):
    ivs.tag_resource(resourceArn=arn, tags={"team": "red", "note": "", "Team": "x"})
    ivs.tag_resource(resourceArn=arn, tags={"team": "blue", "a b/c+d&e=f%": "ä ö"})
    expected = {"team": "blue", "note": "", "Team": "x", "a b/c+d&e=f%": "ä ö"}
    assert tags(ivs, arn) == shown(ivs, arn) == expected
    ivs.untag_resource(resourceArn=arn, tagKeys=["Team", "a b/c+d&e=f%", "never there"])
    assert tags(ivs, arn) == shown(ivs, arn) == {"team": "blue", "note": ""}
    ivs.tag_resource(resourceArn=arn, tags={})
    assert tags(ivs, arn) == {"team": "blue", "note": ""}


def test_fifty_tags_once_they_are_merged(ivs, arn):
    ivs.tag_resource(resourceArn=arn, tags={f"k{n}": "v" * 256 for n in range(50)})
    ivs.tag_resource(resourceArn=arn, tags={"k7": "other"})
    with refused("ValidationException", 400, "tags", "51", "50"):
        ivs.tag_resource(resourceArn=arn, tags={"k7": "third", "one more": ""})
    assert tags(ivs, arn)["k7"] == "other"
    ivs.untag_resource(resourceArn=arn, tagKeys=[f"k{n}" for n in range(50)])
    assert tags(ivs, arn) == {}


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"aws:x": "v"}, "aws:"),
        ({"AWS:x": "v"}, "aws:"),
        ({"k" * 129: "v"}, "128"),
        ({"k": "v" * 257}, "256"),
    ],
)
def test_tags_that_cannot_be(ivs, arn, given, word):
    with refused("ValidationException", 400, "tags", word):
        ivs.tag_resource(resourceArn=arn, tags=given)
    assert tags(ivs, arn) == {}


@pytest.mark.parametrize(
    ("keys", "word"), [(["aws:x"], "aws:"), (["k" * 129], "128"), (["k"] * 51, "50"), ([], "required")]
)
def test_keys_that_cannot_be_removed(ivs, arn, keys, word):
    with refused("ValidationException", 400, "tagKeys", word):
        ivs.untag_resource(resourceArn=arn, tagKeys=keys)


def all_three(ivs, arn):
    return [
        lambda: ivs.list_tags_for_resource(resourceArn=arn),
        lambda: ivs.tag_resource(resourceArn=arn, tags={"a": "b"}),
        lambda: ivs.untag_resource(resourceArn=arn, tagKeys=["a"]),
    ]


@pytest.mark.parametrize(
    ("arn", "code", "status"),
    [
        (f"arn:aws:ivs:{REGION}:{ACCOUNT}:stage/AAAAbbbb1234", "ResourceNotFoundException", 404),
        (f"arn:aws:ivs:{REGION}:{ACCOUNT}:public-key/AAAAbbbb1234", "ResourceNotFoundException", 404),
        (f"arn:aws:ivs:{REGION}:{ACCOUNT}:encoder-configuration/AAAAbbbb1234", "ResourceNotFoundException", 404),
        (f"arn:aws:ivs:{REGION}:{ACCOUNT}:storage-configuration/AAAAbbbb1234", "ResourceNotFoundException", 404),
        (f"arn:aws:ivs:{REGION}:{ACCOUNT}:composition/AAAAbbbb1234", "ResourceNotFoundException", 404),
        (f"arn:aws:ivs:{REGION}:999988887777:stage/AAAAbbbb1234", "ResourceNotFoundException", 404),
        (f"arn:aws:ivs:{REGION}:999988887777:public-key/AAAAbbbb1234", "ResourceNotFoundException", 404),
        (f"arn:aws:ivs:{REGION}:999988887777:composition/AAAAbbbb1234", "ResourceNotFoundException", 404),
        ("arn:aws:s3:::bucket", "ValidationException", 400),
        ("stage/AAAAbbbb1234", "ValidationException", 400),
        ("x" * 129, "ValidationException", 400),
    ],
)
def test_resources_that_are_not_there(ivs, arn, code, status):
    for call in all_three(ivs, arn):
        with refused(code, status, arn if status == 404 else "resourceArn"):
            call()


def test_a_resource_of_another_region_is_not_there(server, stages, key, encoder, storage):
    elsewhere = api.client(server, region="us-east-1")
    for arn in (stages.create(), key.arn, encoder, storage):
        for call in all_three(elsewhere, arn):
            with refused("ResourceNotFoundException", 404):
                call()


def test_a_deleted_resource_has_no_tags(ivs, stages):
    arn = stages.create()
    ivs.tag_resource(resourceArn=arn, tags={"a": "b"})
    ivs.delete_stage(arn=arn)
    for call in all_three(ivs, arn):
        with refused("ResourceNotFoundException", 404):
            call()


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_unsigned_requests_are_refused(server, media, arn, method):
    status, headers, _ = media.request(method, f"{server.url}/tags/{arn.replace(':', '%3A').replace('/', '%2F')}")
    assert (status, headers["x-amzn-errortype"]) == (403, "MissingAuthenticationTokenException")


def test_other_methods_and_the_bare_path_name_no_operation(server, media, arn):
    for method, path in (("PUT", f"/tags/{arn}"), ("GET", "/tags"), ("POST", "/TagResource")):
        status, headers, _ = media.request(method, server.url + path)
        assert (status, headers["x-amzn-errortype"]) == (404, "UnknownOperationException"), path
