"""What compositions make of streams that change, by the cards in what was recorded."""

import itertools

import pytest

from support import api, encoded
from support.composition import Compositions, bucket_of, cards_of, local_segments, prefix_of
from support.encoded import EncodedPublisher, is_set
from support.place import Place
from support.wait import eventually

WIDTH, HEIGHT = 1280, 720
# A card of 4:3 that is wholly in a picture of 16:9.
CONTAINED = (160, 0, 960, 720)
BEFORE = 45
LARGE = 5
AFTER = 90


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    made = Place(tmp_path_factory.mktemp("streams"), name="test_composition_streams").start()
    yield made
    made.server.stop()


def bare(pictures):
    """Without the sets that are not with the first picture."""
    return [units if at == 0 else [unit for unit in units if not is_set(unit)] for at, units in enumerate(pictures)]


def lengths(items, chosen):
    """How long the runs of items are for which `chosen` is true."""
    return [len(list(run)) for is_it, run in itertools.groupby(items, chosen) if is_it]


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    "later",
    [
        pytest.param({"size": (640, 480)}, id="larger"),
        pytest.param({"size": (160, 120)}, id="smaller"),
        pytest.param({"profile": "main"}, id="another-profile"),
    ],
)
def test_parameter_sets_that_change_in_the_middle(place, media, later):
    compositions = Compositions(place)
    stage = place.ivs.create_stage()["stage"]["arn"]
    encoder = compositions.encoder(width=WIDTH, height=HEIGHT, framerate=30.0, bitrate=2_500_000)
    layout = {"grid": {"videoFillMode": "CONTAIN"}}
    composition = compositions.start(stage, bucket_of(place.storage(), encoder), layout=layout)
    compositions.active(composition)
    first = bare(encoded.encode(identity=1, pictures=BEFORE))
    second = bare(encoded.encode(identity=1, pictures=AFTER, first=BEFORE, **later))
    groups = [*enumerate(first), *enumerate(second, BEFORE)]
    _, token = place.stages.token(stage)
    publisher = EncodedPublisher(media, api.payload(token)["whip_url"], token, groups, loop_from=BEFORE)
    media.open(publisher)
    eventually(lambda: publisher.video.place >= BEFORE + AFTER - 5, 60, "both streams were sent")
    root = place.bucket.directory / prefix_of(composition)
    before = local_segments(root)[1]
    eventually(lambda: local_segments(root)[1] >= before + 2, 60, "two more segments")
    compositions.stop(composition)
    cards = cards_of(root / "media/hls/multivariant.m3u8", CONTAINED)
    # From the first picture of the participant to the last one: the rest is its placeholder.
    seen = [at for at, one in enumerate(cards) if one is not None]
    assert seen, "no picture of the participant"
    cards = cards[seen[0] : seen[-1] + 1]
    counts = [one[1] for one in cards if one is not None]
    assert {one[0] for one in cards if one is not None} == {1}
    early, late = [count for count in counts if count < BEFORE], [count for count in counts if count >= BEFORE]
    assert len(set(early)) > BEFORE // 3, f"pictures before the change: {early}"
    assert len(set(late)) > AFTER // 2, f"pictures after the change: {late}"
    # No picture is damaged, or a mixture of both sizes.
    assert lengths(cards, lambda one: one is None) == []


@pytest.mark.timeout(180)
def test_a_participant_is_shown_again_after_a_picture_that_is_too_large(place, media):
    compositions = Compositions(place)
    stage = place.ivs.create_stage()["stage"]["arn"]
    encoder = compositions.encoder(width=WIDTH, height=HEIGHT, framerate=30.0, bitrate=2_500_000)
    layout = {"grid": {"videoFillMode": "CONTAIN"}}
    composition = compositions.start(stage, bucket_of(place.storage(), encoder), layout=layout)
    compositions.active(composition)
    large = bare(encoded.encode(identity=1, pictures=LARGE, size=(2560, 1440)))
    small = bare(encoded.encode(identity=1, pictures=AFTER, first=LARGE))
    groups = [*enumerate(large), *enumerate(small, LARGE)]
    _, token = place.stages.token(stage)
    publisher = EncodedPublisher(media, api.payload(token)["whip_url"], token, groups, loop_from=LARGE)
    media.open(publisher)
    eventually(lambda: publisher.video.place >= LARGE + AFTER - 5, 60, "both streams were sent")
    root = place.bucket.directory / prefix_of(composition)
    before = local_segments(root)[1]
    eventually(lambda: local_segments(root)[1] >= before + 2, 60, "two more segments")
    compositions.stop(composition)
    counts = [one[1] for one in cards_of(root / "media/hls/multivariant.m3u8", CONTAINED) if one is not None]
    assert len(set(counts)) > AFTER // 2, f"pictures after the large ones: {counts}"
    assert min(counts) >= LARGE, "a picture of more than 1080p"
