"""What the console's API tells an operator of compositions, whose they are, and links to what is recorded of them."""

import json
import os
import signal
import urllib.error
import urllib.parse
import urllib.request

import pytest

from support import api
from support.api import ACCOUNT, REGION
from support.composition import compositors
from support.own import ask, call, send
from support.place import BUCKET, Place
from support.wait import eventually
from test_composition_media import state
from test_compositions import arn, configured

OTHER_ACCOUNT = "444455556666"
PLAYLIST = "media/hls/multivariant.m3u8"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("composition_console")
    arguments = configured(folder, channels=("youtube", "zebra"))
    made = Place(folder, *arguments, name="test_composition_console").start()
    yield made
    made.server.stop()


@pytest.fixture(scope="module")
def storage(place):
    return place.storage()


@pytest.fixture(scope="module")
def encoder(place):
    video = {"width": 640, "height": 360, "framerate": 15, "bitrate": 600_000}
    return place.ivs.create_encoder_configuration(video=video)["encoderConfiguration"]["arn"]


@pytest.fixture(scope="module")
def stranger(place):
    """The keys of another account of the server."""
    made = place.server.command(
        *("keys", "create", "--account-id", OTHER_ACCOUNT, "--permission", "full", "--output", "json"),
        *("--data-dir", str(place.server.data_dir)),
    )
    made = json.loads(made.stdout)
    return made["accessKeyId"], made["secretAccessKey"]


def told(place, key=None, **query):
    """What the endpoint answers: (status, body)."""
    key = key or (place.server.data_dir / "console.key").read_text().strip()
    url = f"{place.server.url}/console/api/compositions?{urllib.parse.urlencode(query)}"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        return refused.code, json.load(refused)


def one(place, composition):
    status, body = told(place, compositionArn=composition["arn"])
    assert status == 200, body
    [found] = body["compositions"]
    return found


def start(place, storage, encoder, **members):
    stage = place.ivs.create_stage(name="watched")["stage"]["arn"]
    bucket = {"storageConfigurationArn": storage, "encoderConfigurationArns": [encoder]}
    made = place.ivs.start_composition(stageArn=stage, destinations=[{"s3": bucket}], **members)
    return stage, made["composition"]


def stop(place, composition):
    place.ivs.stop_composition(arn=composition["arn"])
    eventually(lambda: state(place, composition)[0] == "STOPPED", 30, "a stopped composition")


@pytest.mark.timeout(240)
def test_an_operator_sees_where_participants_are_and_how_the_compositor_does(place, storage, encoder, media):
    stage, composition = start(place, storage, encoder)
    people = []
    for identity, codec in ((1, "H264"), (2, "VP8")):
        who, token = place.stages.token(stage, userId=f"user {identity}")
        media.publish(token, identity=identity, codec=codec)
        eventually(lambda who=who: place.stages.participants(stage).get(who, {}).get("published"), 30, "a publisher")
        people.append(who)

    def tiles():
        live = one(place, composition)["live"]
        encodings = live["encodings"] if live else []
        return encodings[0]["tiles"] if encodings else []

    shows = lambda: [tile["shows"] for tile in tiles()]  # noqa: E731
    eventually(lambda: shows() == ["PICTURE", "PICTURE"], 60, "both pictures")
    left, right = sorted(tiles(), key=lambda tile: tile["x"])
    assert [left["participantId"], right["participantId"]] == people
    assert [left["userId"], right["userId"]] == ["user 1", "user 2"]
    assert left["x"] == 0 and right["x"] > 300 and left["y"] == right["y"] > 0
    assert left["width"] == right["width"] and left["reason"] is None
    assert left["sourceWidth"] > 0 and left["sourceHeight"] > 0

    measured = lambda: one(place, composition)["live"]["health"]["recent"]  # noqa: E731
    recent = eventually(measured, 30, "two reports of the compositor")
    assert 0 < recent["lastedMs"] < 15_000 and recent["ticks"] > 0 and recent["load"]["encode"] > 0
    rate = lambda: one(place, composition)["live"]["encodings"][0]["picturesPerSecond"]  # noqa: E731
    eventually(lambda: 10 < rate() < 20, 30, "about 15 pictures a second")
    now = one(place, composition)
    assert now["state"] == "ACTIVE" and now["failure"] is None
    assert now["live"]["health"]["inputs"] == 2 and now["live"]["composingMs"] > 0
    encoding = now["live"]["encodings"][0]
    assert (encoding["width"], encoding["height"], encoding["framerate"]) == (640, 360, 15)
    [destination] = now["destinations"]
    assert destination["bucket"] == BUCKET and destination["video"]["width"] == 640
    assert destination["failure"] is None

    # Why it was started again.
    [compositor] = compositors(place.server)
    os.kill(compositor, signal.SIGKILL)
    again = lambda: one(place, composition)["live"]["health"]["lastRestart"]  # noqa: E731
    restart = eventually(again, 30, "another compositor")
    assert restart["reason"] == "it has ended: signal 9 ended it" and restart["agoMs"] >= 0
    assert one(place, composition)["live"]["health"]["restarts"] == 1
    eventually(lambda: shows() == ["PICTURE", "PICTURE"], 60, "both pictures again")

    stop(place, composition)
    assert one(place, composition)["live"] is None


@pytest.mark.timeout(240)
def test_what_is_recorded_is_played_by_a_link(place, storage, encoder, stranger, media):
    stage, composition = start(place, storage, encoder)
    _, token = place.stages.token(stage)
    media.publish(token, identity=3, codec="H264")
    recording = lambda: one(place, composition)["destinations"][0].get("recordingId")  # noqa: E731
    made = eventually(recording, 60, "something is recorded")
    destination = composition["destinations"][0]["id"]
    assert made == f"{composition['arn'].rsplit('/', 1)[1]}-{destination}"

    def link():
        answer = ask(place.server, "GetRecordingUrl", {"recordingId": made})["recordingUrl"]
        assert answer["playlistUrl"] == answer["url"] + PLAYLIST
        return answer["url"]

    media_playlist = f"media/hls/360p15-{destination}/playlist.m3u8"
    segments = lambda: send(link() + media_playlist).body.count(b"#EXTINF")  # noqa: E731
    eventually(lambda: segments() >= 2, 60, "two segments while it runs")
    assert media_playlist.split("/")[2].encode() in send(link() + PLAYLIST).body
    # It is read in its account and Region alone.
    for more in ({"keys": stranger}, {"region": "us-east-1"}):
        refused = call(place.server, "GetRecordingUrl", {"recordingId": made}, **more)
        assert refused.error[0] == "ResourceNotFoundException", more
    for wrong in (f"{made}x", "AAAAbbbb1234-AAAAbbbb1234", f"{made.split('-')[0]}-AAAAbbbb1234", "a-b-c"):
        assert call(place.server, "GetRecordingUrl", {"recordingId": wrong}).error[0] == "ResourceNotFoundException"
    # No other operation of recordings knows it.
    for name in ("GetRecording", "PauseRecording"):
        assert call(place.server, name, {"recordingId": made}).error[0] == "ResourceNotFoundException"
    stop(place, composition)
    playlist = send(link() + media_playlist).body
    assert playlist.rstrip().endswith(b"#EXT-X-ENDLIST")
    prefix = composition["destinations"][0]["detail"]["s3"]["recordingPrefix"]
    assert playlist == (place.bucket.directory / prefix / media_playlist).read_bytes()
    assert send(link() + "../" + "x").status == 404


def test_the_console_is_told_of_its_own_account_alone(place, stranger):
    theirs = api.client(place.server, keys=stranger)
    bucket = {"bucketName": "strangers"}
    storage = theirs.create_storage_configuration(s3=bucket)["storageConfiguration"]["arn"]
    encoder = theirs.create_encoder_configuration()["encoderConfiguration"]["arn"]
    stage = theirs.create_stage()["stage"]["arn"]
    made = theirs.start_composition(
        stageArn=stage,
        destinations=[{"s3": {"storageConfigurationArn": storage, "encoderConfigurationArns": [encoder]}}],
    )["composition"]
    status, body = told(place, region=REGION)
    assert status == 200
    assert made["arn"] not in [found["arn"] for found in body["compositions"]]
    status, body = told(place, compositionArn=made["arn"])
    assert (status, body["code"]) == (400, "INVALID")
    status, body = told(place, compositionArn=made["arn"].replace(OTHER_ACCOUNT, ACCOUNT))
    assert (status, body["code"]) == (404, "NOT_FOUND"), "its id alone opens nothing"
    theirs.stop_composition(arn=made["arn"])


def test_channels_of_the_region_are_named_without_their_secrets(place):
    status, body = told(place, region=REGION)
    assert status == 200
    assert body["channelArns"] == [arn("channel", "youtube"), arn("channel", "zebra")]
    assert "hunter2" not in json.dumps(body) and "127.0.0.1:1" not in json.dumps(body)
    assert told(place, region="us-east-1")[1] == {"compositions": [], "channelArns": []}


def test_pages_and_what_is_refused(place, storage, encoder):
    made = [start(place, storage, encoder)[1]["arn"] for _ in range(2)]
    pages, token = [], {}
    while token is not None:
        status, page = told(place, region=REGION, maxResults=1, **token)
        assert status == 200, page
        pages += [found["arn"] for found in page["compositions"]]
        token = {"nextToken": page["nextToken"]} if "nextToken" in page else None
    assert pages[-2:] == made and len(pages) == len(set(pages))
    for query in (
        {},
        {"region": "EU"},
        {"region": ""},
        {"region": REGION, "maxResults": 0},
        {"region": REGION, "maxResults": 101},
        {"region": REGION, "maxResults": "many"},
        {"region": REGION, "nextToken": "x"},
        {"region": REGION, "nextToken": "1.a/b"},
        {"compositionArn": "arn"},
        {"compositionArn": arn("stage", "AAAAbbbb1234")},
    ):
        status, body = told(place, **query)
        assert (status, body["code"]) == (400, "INVALID"), (query, body)
    status, body = told(place, compositionArn=arn("composition", "AAAAbbbb1234"))
    assert (status, body["code"]) == (404, "NOT_FOUND") and "five minutes" in body["message"]
    status, body = told(place, key="wrong", region=REGION)
    assert (status, body["code"]) == (401, "CONSOLE_KEY")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{place.server.url}/console/api/compositions?region={REGION}", timeout=10)
    assert refused.value.code == 401
    for composition in made:
        stop(place, {"arn": composition})
