"""Recordings whose server is killed and whose S3 fails, shortly; `make bench-recording` does it for long."""

import random

import pytest

from support.s3 import S3, Fault, FaultyProxy
from support.trials import Failing, Killed

KILLS = 3
SEED = 16


@pytest.mark.timeout(300)
def test_kills_at_random_lose_no_segment_that_counts(tmp_path):
    trial = Killed(tmp_path, random.Random(SEED))
    counted = [trial.round()[1] for _ in range(KILLS)]
    assert sum(counted) > 0, "nothing had been recorded before any kill"
    trial.end()


@pytest.mark.timeout(240)
def test_a_kill_loses_nothing_on_its_way_to_s3(tmp_path, s3):
    trial = Killed(tmp_path, random.Random(SEED), s3)
    trial.round()
    trial.end()


@pytest.fixture(scope="module")
def failing(tmp_path_factory):
    s3 = S3(FaultyProxy)
    trial = Failing(tmp_path_factory.mktemp("failing"), s3)
    yield trial
    trial.end()
    s3.proxy.close()
    s3.stop()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.NONE], ids=lambda fault: fault.name)
def test_nothing_is_lost_while_s3_fails(failing, fault):
    assert failing.each(fault) > 0
