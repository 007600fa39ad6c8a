"""A viewer that comes later decodes from its first picture on, wherever the publisher has said the parameter sets."""

import pytest

from support import api, encoded
from support.encoded import EncodedPublisher, is_set
from support.wait import eventually

# More pictures than a viewer needs to have been in the wrong place.
PICTURES = 60


@pytest.fixture
def stage(stages):
    """A stage, deleted after the test."""
    arn = stages.create("parameter-sets")
    yield arn
    stages.ivs.delete_stage(arn=arn)


def sets(units):
    return [unit for unit in units if is_set(unit)]


def bare(units):
    return [unit for unit in units if not is_set(unit)]


def once(pictures):
    """With the first picture alone."""
    return [(0, pictures[0])] + [(at, bare(units)) for at, units in enumerate(pictures) if at > 0]


def apart(pictures):
    """Before each key frame, under a timestamp of their own."""
    groups = []
    for at, units in enumerate(pictures):
        if sets(units):
            groups.append((at - 0.5, sets(units)))
        groups.append((at, bare(units)))
    return groups


def turned(pictures):
    """The picture parameter sets first, and with the first picture alone."""
    first = pictures[0]
    return [(0, sets(first)[::-1] + bare(first)), *once(pictures)[1:]]


def never(pictures):
    """Not at all: only the offer has them."""
    return [(at, bare(units)) for at, units in enumerate(pictures)]


def publish(stages, media, stage, groups, **arguments):
    ann, token = stages.token(stage)
    peer = EncodedPublisher(media, api.payload(token)["whip_url"], token, groups, **arguments)
    media.open(peer)
    eventually(lambda: stages.participants(stage).get(ann, {}).get("published"), what=f"{ann} is published")
    return ann, peer


@pytest.mark.parametrize("way", [once, apart, turned])
def test_a_later_viewer_decodes_whatever_the_way_of_the_sets(stages, media, stage, way):
    pictures = encoded.encode(identity=1, pictures=PICTURES)
    # The sets of the beginning are not said again when it is played again.
    ann, publisher = publish(stages, media, stage, way(pictures), loop_from=1)
    eventually(lambda: publisher.video.place > 20, what="the stream is past its beginning")
    for _ in range(2):
        viewer = media.watch(stages.token(stage)[1], ann, with_audio=False)
        eventually(lambda viewer=viewer: viewer.seen[1] > 20, what=f"pictures of {viewer}")
        assert set(viewer.seen) == {1}


def test_sets_that_only_the_offer_has(stages, media, stage):
    pictures = encoded.encode(identity=1, pictures=PICTURES)
    parameters = encoded.sprop(sets(pictures[0]))
    groups = never(pictures)
    ann, _ = publish(stages, media, stage, groups, parameters=parameters, profile=sets(pictures[0])[0][1:4].hex())
    viewer = media.watch(stages.token(stage)[1], ann, with_audio=False)
    eventually(lambda: viewer.seen[1] > 20, what=f"pictures of {viewer}")


def test_a_new_size_in_the_middle_of_the_stream(stages, media, stage):
    small = encoded.encode(identity=1, pictures=30)
    large = encoded.encode(identity=1, pictures=PICTURES, first=30, size=(640, 480))
    groups = once(small) + [(at + 30, units) for at, units in once(large)]
    ann, publisher = publish(stages, media, stage, groups, loop_from=31)
    first = media.watch(stages.token(stage)[1], ann, with_audio=False)
    eventually(lambda: first.size == (320, 240), what=f"the small picture: {first}")
    eventually(lambda: publisher.video.place > 45, what="the stream is at its second size")
    late = media.watch(stages.token(stage)[1], ann, with_audio=False)
    eventually(lambda: late.size == (640, 480) and late.frames > 20, what=f"the large picture: {late} {late.size}")
    eventually(lambda: first.size == (640, 480), what=f"the large picture: {first} {first.size}")
