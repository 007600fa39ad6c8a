"""Recordings for people: lists, pause and resume, and links under which their objects can be read for a while."""

import base64
import hashlib
import hmac
import json
import subprocess
import time

import boto3
import pytest
from moto.server import ThreadedMotoServer

from support import api
from support.api import Stages
from support.own import ask, call, send
from support.recording import Bucket, FfmpegPublisher, check, ffmpeg_warnings, recorded
from support.server import Server, binary, clean_environment
from support.wait import eventually

BUCKET = "my-vods"
OTHER_ACCOUNT = "111122223333"
LINK_S = 15 * 60
TEXT = b"0123456789" * 1000
PLAYLIST = "media/hls/high/playlist.m3u8"


def user_of(arn):
    """The user id of who is recorded in a stage."""
    return f"user of {arn[-12:]}"


class Place:
    """A server that logs all it may, with recordings that have ended, each of a stage of its own."""

    def __init__(self, directory, *arguments, count, environment=None):
        environment = {"RUST_LOG": "trace"} | (environment or {})
        server = Server(directory / "data", *arguments, name="test_recordings", environment=environment)
        self.server = server.start()
        self.bucket = Bucket(directory / "data" / "recordings" / BUCKET)
        self.ivs = api.client(self.server)
        self.stages = Stages(self.ivs)
        storage = self.ivs.create_storage_configuration(s3={"bucketName": BUCKET})
        self.storage = storage["storageConfiguration"]["arn"]
        self.arns, self.people, self.ids = [], [], []
        for _ in range(count):
            arn = self.stage()
            publisher, participant, session = self.publish(arn)
            recording = self.list(stageArn=arn)["recordings"][0]["recordingId"]
            eventually(lambda at=recording: self.read(at, PLAYLIST).body.count(b"#EXTINF") > 1, 60, "two segments")
            publisher.leave()
            recorded(self.stages, arn, participant, session, "STOPPED")
            self.arns.append(arn)
            self.people.append(participant)
            self.ids.append(recording)

    def stage(self, **settings):
        block = {"storageConfigurationArn": self.storage, "hlsConfiguration": {"targetSegmentDurationSeconds": 2}}
        block |= settings
        return self.ivs.create_stage(name="talks", autoParticipantRecordingConfiguration=block)["stage"]["arn"]

    def publish(self, arn):
        participant, token = self.stages.token(arn, userId=user_of(arn))
        publisher = FfmpegPublisher(self.server.url, token)
        session = eventually(lambda: self.stages.session(arn), 30, "a session")
        recorded(self.stages, arn, participant, session, "ACTIVE")
        return publisher, participant, session

    def list(self, **members):
        return ask(self.server, "ListRecordings", members)

    def get(self, recording):
        return ask(self.server, "GetRecording", {"recordingId": recording})["recording"]

    def link(self, recording):
        """The URL of a recording; it ends in a slash."""
        return ask(self.server, "GetRecordingUrl", {"recordingId": recording})["recordingUrl"]["url"]

    def read(self, recording, name):
        """What a link leads to."""
        return send(self.link(recording) + name)

    def put(self, recording, name, content=TEXT):
        """Puts an object beside those of a recording."""
        path = self.bucket.path(self.get(recording)["recordingS3Prefix"], name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    made = Place(tmp_path_factory.mktemp("recordings"), count=2)
    yield made
    made.server.stop()


@pytest.mark.timeout(240)
def test_recordings_are_listed_newest_first(place):
    rows = place.list()["recordings"]
    assert [row["recordingId"] for row in rows] == place.ids[::-1]
    pages, token = [], {}
    while token is not None:
        page = place.list(maxResults=1, **token)
        pages.append([row["recordingId"] for row in page["recordings"]])
        token = {"nextToken": page["nextToken"]} if "nextToken" in page else None
    assert pages == [[place.ids[1]], [place.ids[0]]]
    for arn, participant, recording in zip(place.arns, place.people, place.ids, strict=True):
        for filters in ({"stageArn": arn}, {"participantId": participant}, {"userId": user_of(arn)}):
            assert [row["recordingId"] for row in place.list(**filters)["recordings"]] == [recording]
    first, second = place.arns[0], place.people[1]
    assert place.list(stageArn=first, participantId=second)["recordings"] == []
    token = place.list(maxResults=1)["nextToken"]
    answer = call(place.server, "ListRecordings", {"nextToken": token, "stageArn": first})
    assert answer.error[0] == "ValidationException", "a page token is bound to its filters"


def test_people_are_found_by_their_user_id_after_they_have_left(place):
    def recordings(*arguments, code=0):
        command = [str(binary()), "recordings", "list", *arguments, "--data-dir", str(place.server.data_dir)]
        environment = clean_environment(AWS_REGION="eu-west-1")
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    query = ("--query", "recordings[].recordingId", "--output", "text")
    first, user = place.arns[0], user_of(place.arns[0])
    for named in (user, place.people[0]):
        found = recordings("--stage", first, "--participant", named, *query)
        assert found.split() == [place.ids[0]], named
    assert user in recordings() and "talks" in recordings()
    told = recordings("--stage", first, "--participant", "ann", code=3)
    assert "no recording of a participant with the user id" in told and "ann" in told
    assert place.list(userId="nobody")["recordings"] == []
    answer = call(place.server, "ListRecordings", {"userId": "a", "participantId": "b"})
    assert answer.error[0] == "ValidationException"


def test_commands_reach_the_server_of_a_data_directory_whose_public_url_leads_elsewhere(tmp_path):
    url = "https://video.example.org/video"
    server = Server(tmp_path / "data", "--public-url", url, name="test_recordings_public_url").start()
    command = [str(binary()), "recordings", "list", "--data-dir", str(server.data_dir)]
    done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, timeout=60)
    server.stop()
    assert done.returncode == 0, done.stderr


def test_a_recording_tells_what_it_is(place):
    row = place.get(place.ids[0])
    assert row["userId"] == user_of(place.arns[0]) and row["stageName"] == "talks"
    participant = place.stages.participant(
        place.arns[0],
        place.people[0],
        place.ivs.list_stage_sessions(stageArn=place.arns[0])["stageSessions"][0]["sessionId"],
    )
    assert row["stageArn"] == place.arns[0] and row["participantId"] == place.people[0]
    assert row["storageConfigurationArn"] == place.storage
    assert row["recordingS3BucketName"] == BUCKET == participant["recordingS3BucketName"]
    assert row["recordingS3Prefix"] == participant["recordingS3Prefix"]
    assert row["recordingState"] == "STOPPED" and row["paused"] is False
    assert row["mediaTypes"] == ["AUDIO_VIDEO"] and row["thumbnailStorage"] == []
    assert row["durationMs"] == place.bucket.document(row["recordingS3Prefix"], "ended")["media"]["hls"]["duration_ms"]
    assert row["creationTime"] <= row["startTime"] < row["endTime"]
    assert "errorCode" not in row and "sourceStageArn" not in row


def test_calls_are_refused_like_those_of_the_service(place):
    server, recording = place.server, {"recordingId": place.ids[0]}
    for name, members, error, words in (
        ("GetRecording", {"recordingId": "x" * 22}, "ResourceNotFoundException", "recordingId"),
        ("GetRecording", {}, "ValidationException", "recordingId"),
        ("ListRecordings", {"maxResults": 0}, "ValidationException", "maxResults"),
        ("ListRecordings", {"stageArn": "lobby"}, "ValidationException", "stageArn"),
        ("PauseRecording", {"recordingId": "x" * 22}, "ResourceNotFoundException", "recordingId"),
        ("PauseRecording", recording, "ConflictException", "STOPPED"),
        ("ResumeRecording", recording, "ConflictException", "STOPPED"),
        ("DeleteRecording", recording, "UnknownOperationException", ""),
    ):
        answer = call(server, name, members)
        assert answer.error[0] == error and words in answer.error[1], (name, answer.error)
    unsigned = send(f"{server.url}/restage/ListRecordings", "POST", "{}")
    assert unsigned.status == 403 and unsigned.error[0] == "MissingAuthenticationTokenException"
    wrong = call(server, "ListRecordings", keys=(server.credentials()[0], "wrong"))
    assert wrong.error[0] == "InvalidSignatureException"


def test_recordings_belong_to_an_account_and_a_region(place):
    made = json.loads(
        place.server.command(
            *("keys", "create", "--account-id", OTHER_ACCOUNT, "--permission", "full", "--output", "json"),
            *("--data-dir", str(place.server.data_dir)),
        ).stdout
    )
    stranger = (made["accessKeyId"], made["secretAccessKey"])
    recording = {"recordingId": place.ids[0]}
    for more in ({"keys": stranger}, {"region": "us-east-1"}):
        assert eventually(lambda more=more: call(place.server, "ListRecordings", **more).json)["recordings"] == []
        for name in ("GetRecording", "PauseRecording", "GetRecordingUrl"):
            assert call(place.server, name, recording, **more).error[0] == "ResourceNotFoundException", (name, more)
    answer = call(place.server, "ListRecordings", {"stageArn": place.arns[0]}, keys=stranger)
    assert answer.error[0] == "AccessDeniedException"


def test_keys_may_do_what_they_are_for(place):
    def key(permission):
        made = place.server.command(
            *("keys", "create", "--account-id", api.ACCOUNT, "--permission", permission, "--output", "json"),
            *("--data-dir", str(place.server.data_dir)),
        )
        made = json.loads(made.stdout)
        return made["accessKeyId"], made["secretAccessKey"]

    reader, pauser = key("read-only"), key("PauseRecording")
    recording = {"recordingId": place.ids[0]}
    for name, keys, error in (
        ("GetRecording", reader, None),
        ("GetRecordingUrl", reader, None),
        ("PauseRecording", reader, "AccessDeniedException"),
        ("ResumeRecording", reader, "AccessDeniedException"),
        ("PauseRecording", pauser, "ConflictException"),
        ("ResumeRecording", pauser, "AccessDeniedException"),
        ("GetRecording", pauser, "AccessDeniedException"),
    ):
        answer = call(place.server, name, recording, keys=keys)
        assert answer.headers.get("x-amzn-errortype") == error, (name, answer.body)


@pytest.mark.timeout(180)
def test_a_recording_is_paused_and_resumed(place):
    arn = place.stage()
    publisher, participant, session = place.publish(arn)
    row = place.list(stageArn=arn)["recordings"][0]
    recording = {"recordingId": row["recordingId"]}
    prefix = row["recordingS3Prefix"]
    eventually(lambda: place.bucket.has(prefix, "media/hls/high/1.mp4"), 60)
    for _ in range(2):
        paused = ask(place.server, "PauseRecording", recording)["recording"]
        assert paused["paused"] is True and paused["recordingState"] == "ACTIVE"
    assert place.get(row["recordingId"])["paused"] is True
    assert ask(place.server, "ResumeRecording", recording)["recording"]["paused"] is False
    has_gone_on = lambda: b"#EXT-X-DISCONTINUITY" in place.read(row["recordingId"], PLAYLIST).body  # noqa: E731
    eventually(has_gone_on, 60, "the recording goes on")
    publisher.leave()
    recorded(place.stages, arn, participant, session, "STOPPED")
    check(place.bucket, prefix)


def test_a_link_leads_to_all_that_a_player_needs(place):
    answer = ask(place.server, "GetRecordingUrl", {"recordingId": place.ids[0]})["recordingUrl"]
    assert answer["url"].startswith(f"{place.server.url}/recordings/{place.ids[0]}.")
    assert answer["playlistUrl"] == answer["url"] + "media/hls/multivariant.m3u8"
    ends_at = time.strptime(answer["expirationTime"], "%Y-%m-%dT%H:%M:%SZ")
    assert abs(time.mktime(ends_at) - time.mktime(time.gmtime()) - LINK_S) < 30
    names = place.bucket.names(place.get(place.ids[0])["recordingS3Prefix"])
    assert len(names) >= 7
    kinds = {"m3u8": "application/vnd.apple.mpegurl", "mp4": "video/mp4", "json": "application/json"}
    for name in names:
        got = send(answer["url"] + name)
        path = place.bucket.path(place.get(place.ids[0])["recordingS3Prefix"], name)
        assert got.status == 200 and got.body == path.read_bytes(), name
        assert got.headers["Content-Type"] == kinds[name.rsplit(".", 1)[1]]
        assert got.headers["X-Content-Type-Options"] == "nosniff"
        assert got.headers["Cache-Control"] == "private, no-store"
        assert got.headers["Accept-Ranges"] == "bytes"


def test_ranges_of_an_object(place):
    place.put(place.ids[0], "test/numbers.mp4")
    place.put(place.ids[0], "test/empty.mp4", b"")
    link = place.link(place.ids[0])
    url, size = f"{link}test/numbers.mp4", len(TEXT)
    for text, status, body, range_ in (
        (None, 200, TEXT, None),
        ("bytes=0-3", 206, TEXT[:4], f"bytes 0-3/{size}"),
        ("bytes=5-5", 206, TEXT[5:6], f"bytes 5-5/{size}"),
        (f"bytes={size - 2}-", 206, TEXT[-2:], f"bytes {size - 2}-{size - 1}/{size}"),
        ("bytes=-3", 206, TEXT[-3:], f"bytes {size - 3}-{size - 1}/{size}"),
        (f"bytes=0-{size * 2}", 206, TEXT, f"bytes 0-{size - 1}/{size}"),
        (f"bytes={size}-", 416, None, f"bytes */{size}"),
        ("bytes=-0", 416, None, f"bytes */{size}"),
        ("bytes=0-1,4-5", 200, TEXT, None),
        ("bytes=3-1", 200, TEXT, None),
        ("pages=1-2", 200, TEXT, None),
    ):
        got = send(url, headers={"Range": text} if text else {})
        assert (got.status, got.headers["Content-Range"]) == (status, range_), text
        assert body is None or got.body == body, text
    head = send(url, "HEAD")
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(size))
    assert send(url, headers={"Range": "bytes=0-1", "If-Range": '"x"'}).status == 200
    assert send(f"{link}test/empty.mp4").body == b""
    assert send(f"{link}test/empty.mp4", headers={"Range": "bytes=0-"}).status == 416
    assert send(url, "POST", "x").status == 405


def test_only_the_link_itself_opens_its_recording(place):
    place.put(place.ids[0], "test/numbers.mp4")
    link = place.link(place.ids[0])
    signed = link.rstrip("/").rsplit("/", 1)[1]
    recording, ends_at, mac = signed.split(".")
    base = f"{place.server.url}/recordings"
    key = hmac.digest(
        bytes.fromhex((place.server.data_dir / "tokens.key").read_text().strip()),
        b"restage recording links",
        hashlib.sha256,
    )

    def sign(text):
        code = hmac.digest(key, text.encode(), hashlib.sha256)
        return f"{text}.{base64.urlsafe_b64encode(code).decode().rstrip('=')}"

    assert sign(f"{recording}.{ends_at}") == signed, "the test signs as the server does"
    past = int(time.time()) - 1
    for other, code in (
        (sign(f"{recording}.{past}"), "LINK_EXPIRED"),
        (f"{recording}.{int(ends_at) + 1}.{mac}", "LINK_INVALID"),
        (f"{place.ids[1]}.{ends_at}.{mac}", "LINK_INVALID"),
        (f"{recording}.{ends_at}.{mac[::-1]}", "LINK_INVALID"),
        (f"{recording}.{ends_at}.", "LINK_INVALID"),
        (f"{recording}.{ends_at}", "LINK_INVALID"),
        ("x", "LINK_INVALID"),
        ("", "LINK_INVALID"),
    ):
        got = send(f"{base}/{other}/test/numbers.mp4")
        assert (got.status, got.json["code"]) == (403, code), other
    nobody = "x" * 22
    gone = send(f"{base}/{sign(f'{nobody}.{ends_at}')}/test/numbers.mp4")
    assert (gone.status, gone.json["code"]) == (404, "NOT_FOUND")


def test_no_path_leaves_the_prefix(place):
    path = place.put(place.ids[0], "test/numbers.mp4")
    place.put(place.ids[1], "test/secret.mp4")
    secret = place.bucket.directory / "secret.mp4"
    secret.write_bytes(b"secret")
    (path.parent / "link.mp4").symlink_to(secret)
    (path.parent / "up").symlink_to(place.bucket.directory)
    other = place.get(place.ids[1])["recordingS3Prefix"]
    mine = place.get(place.ids[0])["recordingS3Prefix"]
    link = place.link(place.ids[0])
    depth = "../" * (mine.count("/") + 1)
    names = [f"{depth}secret.mp4", f"{depth}{other}/test/secret.mp4", f"{other}/test/secret.mp4", f"/{secret}"]
    names += [f"test/../{depth}secret.mp4", "test//numbers.mp4", "test/./numbers.mp4", "test\\numbers.mp4"]
    names += ["test/link.mp4", "test/up/secret.mp4", "test/numbers.mp4%00.json", "", "test", "test/", ".", ".."]
    for name in names:
        for written in {name, name.replace("/", "%2f"), name.replace(".", "%2E"), name.replace("..", "%252e%252e")}:
            got = send(link + written)
            # http.client refuses none of these, so that the server sees them as they are.
            assert got.status in (400, 404, 502), (written, got.status)
            assert b"secret.mp4" not in got.body and got.body != b"secret" and got.body != TEXT, written
    assert send(f"{link}test/numbers.mp4").status == 200


def test_links_are_not_logged(place):
    link = place.link(place.ids[0])
    mac = link.rstrip("/").rsplit(".", 1)[1]
    for url in (f"{link}media/hls/multivariant.m3u8", f"{link}nothing", f"{link}?x=1", link.rstrip("/"), f"{link}../x"):
        send(url)
    last = call(place.server, "GetRecording", {"recordingId": "a" * 22})
    # The log has what came after, so that it would have what came before.
    place.server.logged(last.headers["x-amzn-requestid"], "ResourceNotFoundException")
    assert not [line for line in place.server.log if mac in line]


def test_pages_of_this_server_alone_may_read(place):
    link = place.link(place.ids[0])
    url = f"{link}media/hls/multivariant.m3u8"
    for origin, allowed in (
        (place.server.url, place.server.url),
        ("https://elsewhere.example", None),
        ("null", None),
    ):
        got = send(url, headers={"Origin": origin})
        assert got.status == 200
        assert got.headers["Access-Control-Allow-Origin"] == allowed, origin
        assert got.headers["Vary"] == "Origin"
    assert send(f"{link}nothing").headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.timeout(180)
def test_the_command_line_has_it_all(place, tmp_path):
    flags = ("--data-dir", str(place.server.data_dir), "--region", api.REGION)
    listed = place.server.command("recordings", "list", "--stage", place.arns[0], *flags)
    assert [row["recordingId"] for row in json.loads(listed.stdout)["recordings"]] == [place.ids[0]]
    table = place.server.command("recordings", "show", place.ids[0], "--output", "text", *flags).stdout
    assert table.split("\t")[:4] == [place.ids[0], "STOPPED", "no", place.people[0]]
    done = place.server.command("recordings", "download", place.ids[0], "--to", str(tmp_path / "talk"), *flags)
    assert done.stdout == f"{tmp_path}/talk/media/hls/multivariant.m3u8\n"
    prefix = place.get(place.ids[0])["recordingS3Prefix"]
    for name in place.bucket.names(prefix):
        if not name.startswith("test/"):
            assert (tmp_path / "talk" / name).read_bytes() == place.bucket.path(prefix, name).read_bytes(), name
    assert ffmpeg_warnings(done.stdout.strip()) == []
    for command in ("pause", "resume"):
        refused = place.server.command("recordings", command, place.ids[0], *flags, check=False)
        assert refused.returncode == 3 and "STOPPED" in refused.stderr and "restage recordings list" in refused.stderr
    unknown = place.server.command("recordings", "show", "x" * 22, *flags, check=False)
    assert unknown.returncode == 3 and "try: restage recordings list" in unknown.stderr


@pytest.mark.timeout(240)
def test_a_recording_is_read_from_s3(tmp_path):
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    moto.start()
    host, port = moto.get_host_and_port()
    url = f"http://{host}:{port}"
    named = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
    s3 = boto3.client("s3", endpoint_url=url, **named)
    s3.create_bucket(Bucket=BUCKET)
    config = tmp_path / "restage.toml"
    config.write_text(f's3 = [{{ endpoint = "{url}" }}]\n', encoding="utf-8")
    place = Place(tmp_path, "--config", str(config), count=1, environment=keys)
    row = place.get(place.ids[0])
    pages = s3.list_objects_v2(Bucket=BUCKET, Prefix=row["recordingS3Prefix"])["Contents"]
    objects = {item["Key"].removeprefix(row["recordingS3Prefix"] + "/"): item["Size"] for item in pages}
    assert PLAYLIST in objects and "events/recording-ended.json" in objects
    link = place.link(place.ids[0])
    for name, size in objects.items():
        whole = send(link + name)
        assert (whole.status, len(whole.body), whole.headers["Content-Length"]) == (200, size, str(size)), name
        part = send(link + name, headers={"Range": f"bytes=1-{size}"})
        assert (part.status, part.body) == (206, whole.body[1:])
        assert part.headers["Content-Range"] == f"bytes 1-{size - 1}/{size}"
        beyond = send(link + name, headers={"Range": f"bytes={size}-"})
        assert (beyond.status, beyond.headers["Content-Range"]) == (416, f"bytes */{size}"), name
    assert send(f"{link}media/hls/high/99.mp4").status == 404
    s3.delete_object(Bucket=BUCKET, Key=f"{row['recordingS3Prefix']}/media/hls/high/0.mp4")
    assert send(f"{link}media/hls/high/0.mp4").status == 404
    moto.stop()
    away = send(f"{link}media/hls/high/1.mp4")
    assert away.status == 503 and away.headers["Retry-After"] and url not in away.body.decode()
    place.server.stop()
