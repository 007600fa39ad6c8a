"""`kill -9` under calls, media, recordings and an encoder at once; `conformance/rigs/crash.py` does it for long."""

import pytest

from support import curves
from support.crashes import Crashes

ROUNDS = 3
SEED = 20261130
# Seconds from the kill until a client has media again: 5 on a machine of its own. This one is busy.
BACK_S = 20


@pytest.mark.timeout(400)
def test_nothing_is_lost_and_all_come_back(tmp_path):
    crashes = Crashes(tmp_path, SEED)
    try:
        for _ in range(ROUNDS):
            figure = crashes.round()
            times = {name: seconds for name, seconds in figure.items() if name != "calls"}
            assert max(times.values()) < BACK_S, times
        found = crashes.end()
    except BaseException:
        crashes.abandon()
        raise
    print(found)
    assert found["acknowledged calls"] >= ROUNDS
    assert found["segments"] > 0 and found["events"] > 0


def test_what_grows_is_seen():
    """The judgement of the rig for soaks (`conformance/rigs/soak.py`)."""
    flat = [(second, 100 + second % 3) for second in range(1000)]
    warming = [(second, min(second, 100)) for second in range(1000)]
    growing = [(second, 100 + second / 10) for second in range(1000)]
    for curve, is_flat in ((flat, True), (warming, True), (growing, False)):
        assert curves.is_flat(curve, 0.1, 4) == is_flat
    assert curves.tenths(growing)[0] < curves.tenths(growing)[9]
    assert curves.quantile(range(100), 0.99) == 99 and curves.quantile([], 0.99) is None
    picture = curves.draw({"a <b>": growing}, "title & more")
    assert "<polyline" in picture and "a &lt;b&gt;" in picture and "title &amp; more" in picture
