"""The `restage` command line, the Rust crate, boto3 and aiortc: one pagination in three hands, and real media."""

import itertools
import json
import pathlib
import subprocess

import av
import imageio_ffmpeg
import pytest

from support import api, card
from support.api import Stages
from support.server import ROOT, binary, clean_environment
from support.wait import eventually

# A thousand replicas of one participant are beyond what Amazon IVS allows.
SERVER_ARGUMENTS = ("--limits", "open")

REPLICAS = 1000
COMMAND_S = 120


@pytest.fixture(scope="module")
def run(server):
    """Runs `restage …` against the server and parses its JSON."""

    def command(*arguments, code=0, **more):
        done = subprocess.run(
            [str(binary()), *arguments, "--data-dir", str(server.data_dir), "--region", api.REGION],
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            **more,
        )
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stderr}"
        return [json.loads(line) for line in done.stdout.splitlines()] if "--stop-after" in arguments else done.stdout

    return command


@pytest.fixture(scope="module")
def fan(ivs, media_loop):
    """(source stage, participant, destination stages in order of start): one publisher, a thousand replicas."""
    stages = Stages(ivs)
    source = stages.create("thousand")
    participant, token = stages.token(source)
    media_loop.publish(token, identity=1)
    eventually(lambda: stages.participants(source).get(participant, {}).get("published"), what="published")
    destinations = [stages.create(f"replica-{index}") for index in range(REPLICAS)]
    for arn in destinations:
        stages.replicate(source, arn, participant, reconnectWindowSeconds=60)
    yield source, participant, destinations
    media_loop.close_peers()


@pytest.fixture(scope="module")
def crate(server):
    """Runs the crate's own example, which lists twenty at a time: (rows, the token for the rest or None)."""
    program = binary().parent / "examples" / "replicas"
    if not program.is_file():
        program = ROOT / "target" / "debug" / "examples" / "replicas"
    assert program.is_file(), f"{program} is not there: cargo test --workspace --no-run builds it"

    def listed(source, participant, token):
        environment = {**server.environment(), "AWS_REGION": api.REGION}
        done = subprocess.run(
            [str(program), source, participant, token],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
        )
        assert done.returncode == 0, done.stderr
        rows, more = [], None
        for line in done.stdout.splitlines():
            head, tail = line.rsplit(" ", 1)
            if head == "there is more:":
                more = tail
            else:
                assert head == "ACTIVE"
                rows.append(tail)
        return rows, more

    return listed


def arns(rows):
    return [row["destinationStageArn"] for row in rows]


def test_one_pagination_goes_from_boto3_through_the_crate_to_the_command_line(ivs, run, crate, fan):
    source, participant, destinations = fan
    whose = {"sourceStageArn": source, "participantId": participant}
    paginator = ivs.get_paginator("list_participant_replicas")
    full = paginator.paginate(**whose).build_full_result()["replicas"]
    assert arns(full) == destinations

    begun = paginator.paginate(**whose, PaginationConfig={"MaxItems": 7}).build_full_result()
    assert len(begun["replicas"]) == 7
    continued, token = crate(source, participant, begun["NextToken"])
    assert len(continued) == 20
    command = ("replicas", "list", "--source-stage-arn", source, "--participant-id", participant)
    finished = json.loads(run(*command, "--page-size", "50", "--starting-token", token))
    assert "NextToken" not in finished
    assert arns(begun["replicas"]) + continued + arns(finished["replicas"]) == destinations
    assert finished["replicas"] == full[27:], "member for member what boto3 got"

    # And back: begun on the command line, cut inside a page, continued in the crate, finished in boto3.
    begun = json.loads(run(*command, "--max-items", "613", "--page-size", "50"))
    assert len(begun["replicas"]) == 613
    continued, token = crate(source, participant, begun["NextToken"])
    rest = paginator.paginate(**whose, PaginationConfig={"StartingToken": token}).build_full_result()
    assert arns(begun["replicas"]) + continued + arns(rest["replicas"]) == destinations


def test_the_same_tokens_in_the_same_places(ivs, run, fan):
    source, participant, _ = fan
    paginator = ivs.get_paginator("list_participant_replicas")
    command = ("replicas", "list", "--source-stage-arn", source, "--participant-id", participant)
    for items, page in [(7, 3), (9, 3), (0, 5), (50, 50), (51, 50)]:
        theirs = paginator.paginate(
            sourceStageArn=source, participantId=participant, PaginationConfig={"MaxItems": items, "PageSize": page}
        ).build_full_result()
        ours = json.loads(run(*command, "--max-items", str(items), "--page-size", str(page)))
        assert arns(ours["replicas"]) == arns(theirs["replicas"])
        # It contains the service's own token, which is new every time; its size and position are the same.
        assert ("NextToken" in ours) == ("NextToken" in theirs)
        again = json.loads(run(*command, "--max-items", "5", "--starting-token", theirs["NextToken"]))
        same = json.loads(run(*command, "--max-items", "5", "--starting-token", ours["NextToken"]))
        assert arns(again["replicas"]) == arns(same["replicas"])


def test_a_query_over_all_pages(run, fan):
    source, participant, destinations = fan
    command = ("replicas", "list", "--source-stage-arn", source, "--participant-id", participant, "--page-size", "50")
    count = run(*command, "--query", "length(replicas[?replicationState==`ACTIVE`])", "--output", "text")
    assert count == f"{REPLICAS}\n"
    text = run(*command, "--query", "replicas[].destinationStageArn", "--output", "text")
    assert text.split() == destinations


def pictures(path):
    """The cards in a video file: (identity, count) of each picture that shows one."""
    with av.open(str(path)) as file:
        grays = (frame.reformat(format="gray").to_ndarray() for frame in file.decode(video=0))
        return [shown for shown in map(card.read, grays) if shown]


def probed(path):
    """The only stream of a file as ffprobe describes it. ffprobe warns about anything unusual, and must not here.

    The pictures that a viewer joins with are sent at once, one tick of the clock apart; those that follow come in time.
    ffprobe may call the first of these a discontinuity: that place is known, and no other may be one.
    """
    command = ["ffprobe", "-v", "warning", "-show_streams", "-show_packets", "-count_packets", "-of", "json", str(path)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=COMMAND_S)
    found = json.loads(done.stdout)
    (stream,) = found["streams"]
    warnings = done.stderr.splitlines()
    if path.suffix == ".ivf" and warnings:
        times = [packet["dts"] for packet in found["packets"]]
        behind = next(place for place, pair in enumerate(itertools.pairwise(times), 1) if pair[1] - pair[0] > 1)
        known = f"packet {behind - 1} with DTS {times[behind - 1]}, packet {behind} with DTS {times[behind]}"
        warnings = [line for line in warnings if "DTS discontinuity" not in line or not line.endswith(known)]
    assert (done.returncode, warnings) == (0, []), f"{path}: {done.stderr}"
    return stream


@pytest.mark.parametrize(("codec", "ending"), [("VP8", "ivf"), ("H264", "h264")])
def test_what_is_saved_is_what_was_published_and_can_be_published_again(
    stages, media, server, run, tmp_path, codec, ending
):
    stage = stages.create(f"saved-{codec}")
    ann, token = stages.token(stage)
    publisher = media.publish(token, identity=5, codec=codec)
    watch = ("watch", "--stage-arn", stage, ann, "--save", str(tmp_path / "seen"), "--stop-after", "6")
    lines = run(*watch, "--output", "json")
    publisher.leave()
    video, audio = tmp_path / f"seen.{ending}", tmp_path / "seen.ogg"
    assert lines[-1] == {"saved": [str(video), str(audio)]}
    stream = probed(video)
    assert stream["codec_name"] == codec.lower()
    assert (stream["width"], stream["height"]) == (card.WIDTH, card.HEIGHT)
    assert int(stream["nb_read_packets"]) >= 15
    stream = probed(audio)
    assert (stream["codec_name"], stream["sample_rate"]) == ("opus", "48000")
    assert 1 < float(stream["duration"]) < 8
    shown = pictures(video)
    assert len(shown) >= 15
    assert {identity for identity, _ in shown} == {5}
    counts = [count for _, count in shown]
    assert counts == sorted(set(counts)), "in order, none twice"
    with av.open(str(audio)) as file:
        stream = file.streams.audio[0]
        assert stream.codec_context.name in ("opus", "libopus")
        seconds = sum(frame.samples / frame.sample_rate for frame in file.decode(stream))
        assert 1 < seconds < 8

    again = stages.create(f"again-{codec}")
    with published(server, run, again, "--loop", "--fps", str(card.FRAMES_PER_SECOND), video, audio) as participant:
        watcher = media.watch(stages.token(again)[1], participant)
        watcher.wait_for(5, frames=10, timeout_s=60)


class published:
    """`restage publish` as a context: the participant's id."""

    def __init__(self, server, run, stage, *arguments):
        command = [str(binary()), "publish", "--stage-arn", stage, "--output", "json", *map(str, arguments)]
        self.command = [*command, "--data-dir", str(server.data_dir), "--region", api.REGION]

    def __enter__(self):
        self.process = subprocess.Popen(
            self.command,
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        line = self.process.stdout.readline()
        assert line, f"publish ended with {self.process.wait()}"
        return json.loads(line)["participantId"]

    def __exit__(self, *_):
        self.process.terminate()
        try:
            assert self.process.wait(20) == 0
        finally:
            self.process.kill()
            self.process.stdout.close()


def test_the_test_card_reaches_a_stack_nobody_here_wrote(stages, media, server, run):
    stage = stages.create("card")
    with published(server, run, stage, "--size", "360p", "--fps", "15") as participant:
        watcher = media.watch(stages.token(stage)[1], participant)
        eventually(lambda: watcher.frames >= 15, 30, "fifteen pictures")
        assert watcher.size == (640, 360)
        eventually(lambda: watcher.sounds > 0 and watcher.level > 0, 30, "a beep")


def test_the_command_line_reads_what_boto3_made(ivs, run, stages):
    arn = stages.create("by-boto3")
    shown = json.loads(run("stages", "get", "--arn", arn))["stage"]
    theirs = ivs.get_stage(arn=arn)["stage"]
    assert shown == theirs
    names = json.loads(run("stages", "list", "--query", "stages[].name"))
    assert "by-boto3" in names
    assert pathlib.Path(run("stages", "get", "--arn", arn, "--query", "stage.arn", "--output", "text").strip()).name


def encoded(path, b_frames):
    """An H.264 byte stream of x264's, with or without B-frames."""
    source = ["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=30:duration=4"]
    # Baseline has no B-frames, and is what every viewer takes.
    profile = "main" if b_frames else "baseline"
    encoder = ["-c:v", "libx264", "-profile:v", profile, "-bf", str(b_frames), "-g", "60", "-pix_fmt", "yuv420p"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-y", *source, *encoder, "-f", "h264", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=COMMAND_S)
    return path


def test_b_frames_of_a_real_encoder_are_found_first(stages, media, server, run, tmp_path):
    stage = stages.create("b-frames")
    command = [str(binary()), "publish", "--stage", stage, "--data-dir", str(server.data_dir), "--region", api.REGION]
    refused = subprocess.run(
        [*command, str(encoded(tmp_path / "with.h264", b_frames=2))],
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
    )
    assert refused.returncode == 2, refused.stderr
    assert "is a B-frame" in refused.stderr and "-bf 0" in refused.stderr
    assert "activeSessionId" not in stages.ivs.get_stage(arn=stage)["stage"], "nobody was called"
    with published(server, run, stage, "--loop", encoded(tmp_path / "without.h264", b_frames=0)) as participant:
        watcher = media.watch(stages.token(stage)[1], participant)
        eventually(lambda: watcher.frames >= 15, 60, "fifteen pictures")
        assert watcher.size == (320, 240)


def test_help_says_the_models_own_range(ivs, run):
    shape = ivs.meta.service_model.shape_for("StartParticipantReplicationRequest")
    window = shape.members["reconnectWindowSeconds"].metadata
    shown = subprocess.run([str(binary()), "replicas", "start", "--help"], capture_output=True, text=True, check=True)
    assert f"({window['min']} to {window['max']})" in shown.stdout
