"""Compositions with boto3, as far as nothing need be composed: what is asked and shown, refusals, tags, pages."""

import json
import subprocess

import pytest

from support import api
from support.api import ACCOUNT, REGION, refused
from support.server import Server, binary, clean_environment
from support.wait import eventually


def arn(kind, name, account=ACCOUNT, region=REGION):
    return f"arn:aws:ivs:{region}:{account}:{kind}/{name}"


CHANNEL = arn("channel", "youtube")
UNKNOWN = "AAAAbbbb1234"
GRID = {
    "featuredParticipantAttribute": "",
    "omitStoppedVideo": False,
    "videoAspectRatio": "VIDEO",
    "gridGap": 2,
    "participantOrderAttribute": "",
}
PIP = {
    "featuredParticipantAttribute": "",
    "omitStoppedVideo": False,
    "videoFillMode": "COVER",
    "gridGap": 0,
    "pipParticipantAttribute": "",
    "pipBehavior": "STATIC",
    "pipOffset": 0,
    "pipPosition": "BOTTOM_RIGHT",
    "participantOrderAttribute": "",
}


def configured(folder, *lines, channels=("youtube",)):
    """The arguments for a configuration with these channels, at which nobody listens."""
    config = folder / "restage.toml"
    entries = [
        f'[[channel]]\narn = "{arn("channel", name)}"\nurl = "rtmp://127.0.0.1:1/live"\nstream-key = "hunter2"\n'
        for name in channels
    ]
    config.write_text("\n".join([*lines, *entries]))
    return ["--config", str(config)]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("test_compositions")
    arguments = configured(folder, channels=("youtube", *(f"c{n}" for n in range(20))))
    started = Server(folder / "data", *arguments, name="test_compositions").start()
    yield started
    assert "hunter2" not in "\n".join(started.log), "a stream key is a secret"
    started.stop()


@pytest.fixture(scope="module")
def place(ivs):
    """A stage, and a storage and an encoder configuration."""
    return {
        "stage": ivs.create_stage()["stage"]["arn"],
        "storage": ivs.create_storage_configuration(s3={"bucketName": "vods"})["storageConfiguration"]["arn"],
        "encoder": ivs.create_encoder_configuration()["encoderConfiguration"]["arn"],
    }


def to_channel(channel=CHANNEL, **members):
    return {"channel": {"channelArn": channel} | members}


def to_bucket(place, **members):
    made = {"storageConfigurationArn": place["storage"], "encoderConfigurationArns": [place["encoder"]]}
    return {"s3": made | members}


def start(ivs, place, *destinations, **members):
    values = {"stageArn": place["stage"], "destinations": list(destinations)} | members
    return ivs.start_composition(**values)["composition"]


def over(ivs, made):
    """Stops a composition; what is left of it."""
    ivs.stop_composition(arn=made["arn"])

    def ended():
        now = ivs.get_composition(arn=made["arn"])["composition"]
        return now if now["state"] in ("STOPPED", "FAILED") else None

    return eventually(ended, what="the composition has ended")


@pytest.fixture
def channel(ivs):
    """A channel that no other test uses."""
    channel.count = getattr(channel, "count", -1) + 1
    return arn("channel", f"c{channel.count}")


def test_what_is_asked_is_echoed_with_its_defaults(ivs, place):
    made = start(ivs, place, to_channel(), to_bucket(place) | {"name": "vod"}, tags={"team": "blue"})
    prefix, _, identifier = made["arn"].rpartition("/")
    assert prefix == f"arn:aws:ivs:{REGION}:{ACCOUNT}:composition"
    assert len(identifier) == 12 and identifier.isalnum()
    assert (made["stageArn"], made["state"], made["tags"]) == (place["stage"], "STARTING", {"team": "blue"})
    assert made["layout"] == {"grid": GRID}
    assert made["startTime"] and "endTime" not in made
    live, vod = made["destinations"]
    assert live == {
        "id": live["id"],
        "state": "STARTING",
        "configuration": {"name": "", "channel": {"channelArn": CHANNEL}},
    }
    recording = {"format": "HLS", "hlsConfiguration": {"targetSegmentDurationSeconds": 2}}
    expected = to_bucket(place, recordingConfiguration=recording) | {"name": "vod"}
    assert vod["configuration"] == expected
    stage = api.stage_id(place["stage"])
    assert vod["detail"] == {"s3": {"recordingPrefix": f"{stage}/{identifier}/{vod['id']}/composite"}}
    assert live["id"] != vod["id"] and len(vod["id"]) == 12

    ended = over(ivs, made)
    assert ended["endTime"] >= ended["startTime"] == made["startTime"]
    assert {place["state"] for place in ended["destinations"]} <= {"STOPPED", "FAILED"}
    assert all(place["endTime"] for place in ended["destinations"])
    # Asked again, it is over.
    assert ivs.stop_composition(arn=made["arn"])["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert ivs.get_composition(arn=made["arn"])["composition"] == ended


def test_layouts_and_recordings_as_they_were_asked(ivs, place):
    pip = PIP | {"pipPosition": "TOP_LEFT", "pipWidth": 320, "pipHeight": 180, "pipBehavior": "DYNAMIC"}
    segments = {"format": "HLS", "hlsConfiguration": {"targetSegmentDurationSeconds": 5}}
    thumbnails = [{"storage": ["SEQUENTIAL", "LATEST"], "targetIntervalSeconds": 10}]
    bucket = to_bucket(place, recordingConfiguration=segments, thumbnailConfigurations=thumbnails)
    made = start(ivs, place, bucket, layout={"pip": pip})
    assert made["layout"] == {"pip": pip}
    assert made["destinations"][0]["configuration"] == bucket | {"name": ""}
    over(ivs, made)
    made = start(ivs, place, to_bucket(place, thumbnailConfigurations=[{}]), layout={"pip": {}})
    assert made["layout"] == {"pip": PIP}
    filled = made["destinations"][0]["configuration"]["s3"]["thumbnailConfigurations"]
    assert filled == [{"storage": ["SEQUENTIAL"], "targetIntervalSeconds": 60}]
    over(ivs, made)
    grid = {"videoFillMode": "CONTAIN", "videoAspectRatio": "AUTO", "gridGap": 0, "omitStoppedVideo": True}
    made = start(ivs, place, to_bucket(place), layout={"grid": grid})
    assert made["layout"] == {"grid": GRID | grid}
    over(ivs, made)


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"destinations": []}, ["destinations"]),
        ({"destinations": [{}]}, ["destinations.0", "channel or s3"]),
        ({"destinations": [to_channel(), to_channel()]}, ["destinations", "at most one channel"]),
        ({"destinations": [to_channel(), to_channel(), to_channel()]}, ["destinations", "2"]),
        ({"layout": {"grid": {}, "pip": {}}}, ["layout", "not both"]),
        ({"layout": {"grid": {"gridGap": -1}}}, ["layout.grid.gridGap"]),
        ({"layout": {"pip": {"pipWidth": 0}}}, ["layout.pip.pipWidth"]),
        ({"layout": {"grid": {"videoFillMode": ""}}}, ["layout.grid.videoFillMode"]),
        ({"idempotencyToken": "two words"}, ["idempotencyToken"]),
        ({"idempotencyToken": ""}, ["idempotencyToken"]),
        ({"tags": {"aws:x": "y"}}, ["tags", "aws:"]),
    ],
)
def test_what_breaks_a_rule_makes_nothing(server, ivs, place, members, words):
    unchecked = api.client(server, parameter_validation=False)
    values = {"stageArn": place["stage"], "destinations": [to_channel()]} | members
    before = ivs.list_compositions()["compositions"]
    with refused("ValidationException", 400, *words):
        unchecked.start_composition(**values)
    assert len(ivs.list_compositions()["compositions"]) <= len(before)


def test_what_it_names_must_be_there(ivs, place):
    for destination, words in [
        (to_channel(arn("channel", "twitch")), ["destinations.0.channel.channelArn", "setting channel"]),
        (to_channel(encoderConfigurationArn=arn("encoder-configuration", UNKNOWN)), ["encoderConfigurationArn"]),
        (to_bucket(place, storageConfigurationArn=arn("storage-configuration", UNKNOWN)), ["storageConfigurationArn"]),
        (to_bucket(place, encoderConfigurationArns=[arn("encoder-configuration", UNKNOWN)]), ["Arns.0", UNKNOWN]),
    ]:
        with refused("ResourceNotFoundException", 404, *words):
            start(ivs, place, destination)
    with refused("ResourceNotFoundException", 404, "stageArn"):
        start(ivs, place | {"stage": arn("stage", UNKNOWN)}, to_channel())
    foreign = arn("channel", "youtube", account="999988887777")
    with refused("AccessDeniedException", 403, "destinations.0.channel.channelArn"):
        start(ivs, place, to_channel(foreign))
    with refused("ValidationException", 400, "Region"):
        start(ivs, place, to_channel(arn("channel", "youtube", region="us-east-1")))


@pytest.mark.parametrize(
    ("named", "code", "status"),
    [
        (arn("composition", UNKNOWN), "ResourceNotFoundException", 404),
        (arn("composition", UNKNOWN, account="999988887777"), "AccessDeniedException", 403),
        (arn("composition", UNKNOWN, region="us-east-1"), "ResourceNotFoundException", 404),
        (arn("stage", UNKNOWN), "ValidationException", 400),
    ],
)
def test_arns_that_name_none_of_ours(ivs, named, code, status):
    for call in (ivs.get_composition, ivs.stop_composition):
        with refused(code, status):
            call(arn=named)


def test_a_token_starts_one_composition(ivs, place, channel):
    once = {"idempotencyToken": "once-1"}
    made = start(ivs, place, to_channel(channel), **once)
    again = start(ivs, place, to_channel(channel), **once)
    assert (again["arn"], again["startTime"]) == (made["arn"], made["startTime"])
    # What is a default may be written.
    same = start(ivs, place, to_channel(channel), layout={"grid": {"gridGap": 2}}, **once)
    assert same["arn"] == made["arn"]
    for other in ({"layout": {"grid": {"gridGap": 3}}}, {"tags": {"a": "b"}}):
        with refused("ConflictException", 409, "idempotencyToken", made["arn"]):
            start(ivs, place, to_channel(channel), **once, **other)
    over(ivs, made)
    assert start(ivs, place, to_channel(channel), **once)["arn"] == made["arn"], "as long as it can be read"


def test_tags(ivs, place, channel):
    made = start(ivs, place, to_channel(channel), tags={"team": "blue"})
    ivs.tag_resource(resourceArn=made["arn"], tags={"team": "red", "kind": "live"})
    assert ivs.list_tags_for_resource(resourceArn=made["arn"])["tags"] == {"team": "red", "kind": "live"}
    ivs.untag_resource(resourceArn=made["arn"], tagKeys=["kind"])
    assert ivs.get_composition(arn=made["arn"])["composition"]["tags"] == {"team": "red"}
    over(ivs, made)
    for call, members in (
        (ivs.list_tags_for_resource, {}),
        (ivs.tag_resource, {"tags": {"a": "b"}}),
    ):
        with refused("ResourceNotFoundException", 404, UNKNOWN):
            call(resourceArn=arn("composition", UNKNOWN), **members)


def test_lists_have_pages_and_filters(ivs):
    place = {
        "stage": ivs.create_stage()["stage"]["arn"],
        "storage": ivs.create_storage_configuration(s3={"bucketName": "vods"})["storageConfiguration"]["arn"],
        "encoder": ivs.create_encoder_configuration()["encoderConfiguration"]["arn"],
    }
    made = [start(ivs, place, to_bucket(place))["arn"] for _ in range(5)]
    assert len(set(made)) == 5

    def listed(**filters):
        page = ivs.list_compositions(maxResults=2, **filters)
        found = page["compositions"]
        while "nextToken" in page:
            page = ivs.list_compositions(maxResults=2, nextToken=page["nextToken"], **filters)
            assert len(page["compositions"]) <= 2
            found += page["compositions"]
        return [one["arn"] for one in found]

    by_stage, by_encoder = {"filterByStageArn": place["stage"]}, {"filterByEncoderConfigurationArn": place["encoder"]}
    for filters in (by_stage, by_encoder, by_stage | by_encoder):
        assert listed(**filters) == made
    assert [one for one in listed() if one in made] == made
    other = ivs.create_stage()["stage"]["arn"]
    assert listed(filterByStageArn=other, **by_encoder) == []
    token = ivs.list_compositions(maxResults=2, **by_stage)["nextToken"]
    with refused("ValidationException", 400, "nextToken"):
        ivs.list_compositions(maxResults=2, nextToken=token, **by_encoder)
    with refused("AccessDeniedException", 403, "filterByStageArn"):
        ivs.list_compositions(filterByStageArn=arn("stage", UNKNOWN, account="999988887777"))
    summary = ivs.list_compositions(**by_stage)["compositions"][0]
    assert summary["stageArn"] == place["stage"] and len(summary["destinations"]) == 1


def test_a_composition_belongs_to_its_region(server, ivs, place, channel):
    made = start(ivs, place, to_channel(channel))
    elsewhere = api.client(server, region="us-east-1")
    for call in (elsewhere.get_composition, elsewhere.stop_composition):
        with refused("ResourceNotFoundException", 404, "us-east-1"):
            call(arn=made["arn"])
    assert elsewhere.list_compositions()["compositions"] == []
    over(ivs, made)


def test_it_outlives_its_stage(ivs, place, channel):
    stage = ivs.create_stage()["stage"]["arn"]
    made = start(ivs, place | {"stage": stage}, to_channel(channel))
    ivs.delete_stage(arn=stage)
    ended = over(ivs, made)
    assert (ended["state"], ended["stageArn"]) == ("FAILED", stage)
    assert [one["arn"] for one in ivs.list_compositions(filterByStageArn=stage)["compositions"]] == [made["arn"]]


def restage(server, *words, code=0):
    """Runs `restage compositions`; its answer as JSON, or what it says if it is refused."""
    access, secret = server.credentials()
    keys = {"AWS_ACCESS_KEY_ID": access, "AWS_SECRET_ACCESS_KEY": secret, "AWS_REGION": REGION}
    output = () if words[0] == "stop" else ("--output", "json")
    done = subprocess.run(
        [str(binary()), "compositions", *words, *output, "--endpoint-url", server.url],
        env=clean_environment(**keys),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == code, done.stderr
    return done.stderr if code or words[0] == "stop" else json.loads(done.stdout)


def test_the_command_line(server, ivs, channel):
    place = {
        "stage": ivs.create_stage(name="composed")["stage"]["arn"],
        "storage": ivs.create_storage_configuration(s3={"bucketName": "vods"})["storageConfiguration"]["arn"],
        "encoder": ivs.create_encoder_configuration()["encoderConfiguration"]["arn"],
    }
    storage, encoder = api.stage_id(place["storage"]), api.stage_id(place["encoder"])
    both = ("--channel", api.stage_id(channel), "--storage", storage, "--encoder", encoder)
    layout = ("--layout", '{"pip": {"pipWidth": 320}}', "--tag", "team=blue")
    recording = ("--segment-seconds", "4", "--thumbnail-seconds", "9")
    made = restage(server, "start", "composed", *both, *layout, *recording)["composition"]
    assert made["layout"] == {"pip": PIP | {"pipWidth": 320}} and made["tags"] == {"team": "blue"}
    live, vod = (one["configuration"] for one in made["destinations"])
    assert live["channel"] == {"channelArn": channel, "encoderConfigurationArn": place["encoder"]}
    assert vod["s3"]["recordingConfiguration"]["hlsConfiguration"] == {"targetSegmentDurationSeconds": 4}
    assert vod["s3"]["thumbnailConfigurations"][0]["targetIntervalSeconds"] == 9
    identifier = api.stage_id(made["arn"])
    assert restage(server, "get", identifier)["composition"]["arn"] == made["arn"]
    for filters in ((), ("--stage", "composed"), ("--encoder", encoder)):
        assert made["arn"] in [one["arn"] for one in restage(server, "list", *filters)["compositions"]]
    assert f"stopped {made['arn']}" in restage(server, "stop", identifier)
    over(ivs, made)
    assert "there is no composition" in restage(server, "get", UNKNOWN, code=3)
    assert "setting channel" in restage(server, "start", "composed", "--channel", "twitch", code=3)
    restage(server, "start", "composed", code=2)


def test_quotas(tmp_path):
    for setting in ("limit-compositions", "limit-compositions-per-stage"):
        folder = tmp_path / setting
        folder.mkdir()
        arguments = configured(folder, f"{setting} = 0")
        server = Server(folder / "data", *arguments, name="test_compositions_quotas").start()
        try:
            ivs = api.client(server)
            place = {"stage": ivs.create_stage()["stage"]["arn"]}
            with refused("ServiceQuotaExceededException", 402, "Compositions", setting):
                start(ivs, place, to_channel())
        finally:
            server.stop()


def test_a_channel_that_cannot_work_stops_the_start(tmp_path):
    config = tmp_path / "restage.toml"
    config.write_text(f'[[channel]]\narn = "{CHANNEL}"\nurl = "https://h/app"\nstream-key = "hunter2"\n')
    with pytest.raises(AssertionError) as caught:
        Server(tmp_path / "data", "--config", str(config), name="test_compositions_start").start()
    said = str(caught.value)
    assert "channel, entry 1: url: the URL must begin with rtmp://" in said
    assert "hunter2" not in said


def test_a_restart_knows_what_was_there(tmp_path):
    arguments = configured(tmp_path)
    server = Server(tmp_path / "data", *arguments, name="test_compositions_restart").start()
    try:
        ivs = api.client(server)
        place = {"stage": ivs.create_stage()["stage"]["arn"]}
        made = start(ivs, place, to_channel(), idempotencyToken="once")
        ended = over(ivs, made)
        server.stop()
        server.start()
        ivs = api.client(server)
        assert ivs.get_composition(arn=made["arn"])["composition"] == ended
        assert start(ivs, place, to_channel(), idempotencyToken="once")["arn"] == made["arn"]
    finally:
        server.stop()
