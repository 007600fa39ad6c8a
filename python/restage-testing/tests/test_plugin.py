"""The fixtures of pytest, in sessions of their own."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]


@pytest.fixture
def session(pytester, monkeypatch):
    """Runs a file of tests in a process of its own, as a user's project would."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))

    def run(text, *arguments, conftest="", environment=None):
        for name, value in (environment or {}).items():
            monkeypatch.setenv(name, value)
        pytester.makeconftest(conftest)
        pytester.makepyfile(text)
        # As installed, the plugin is loaded by its entry point.
        return pytester.runpytest_subprocess("-p", "restage_testing.plugin", "-p", "no:cacheprovider", *arguments)

    return run


def test_the_fixtures_give_a_server_a_client_and_an_environment(session):
    done = session("""
        import os
        import subprocess
        import boto3

        def test_client(restage_client, restage):
            restage_client.create_stage(name="main")
            assert [stage["name"] for stage in restage.stages()] == ["main"]

        def test_the_server_is_the_same(restage_client):
            assert len(restage_client.list_stages()["stages"]) == 1

        def test_empty(restage_empty):
            assert restage_empty.stages() == []

        def test_code_that_makes_its_own_client(restage_environment):
            boto3.client("ivs-realtime").create_stage(name="own")

        def test_the_environment_is_as_before():
            assert "AWS_ENDPOINT_URL_IVS_REALTIME" not in os.environ

        def test_a_server_with_other_settings(restage_server, restage):
            other = restage_server(limit_stages=1)
            assert other.endpoint_url != restage.endpoint_url
            other.client().create_stage(name="one")
    """)
    done.assert_outcomes(passed=6)


def test_settings_are_overridden_in_conftest(session):
    done = session(
        """
        import pytest

        def test_limit(restage_client):
            restage_client.create_stage(name="one")
            with pytest.raises(restage_client.exceptions.ServiceQuotaExceededException):
                restage_client.create_stage(name="two")
        """,
        conftest="""
import pytest

@pytest.fixture(scope="session")
def restage_settings():
    return {"limit-stages": 1}
""",
    )
    done.assert_outcomes(passed=1)


def test_workers_of_xdist_have_a_server_each(session, tmp_path):
    done = session(
        """
        import os
        import pathlib
        import pytest

        @pytest.mark.parametrize("number", range(4))
        def test_alone(restage, number):
            worker = os.environ["PYTEST_XDIST_WORKER"]
            pathlib.Path(os.environ["SEEN"], worker).write_text(restage.endpoint_url)
            restage.client().create_stage(name=f"{worker}-{number}")
            assert {stage["name"].split("-")[0] for stage in restage.stages()} == {worker}
        """,
        "--numprocesses=2",
        "--dist=load",
        environment={"SEEN": str(tmp_path)},
    )
    done.assert_outcomes(passed=4)
    seen = [path.read_text() for path in tmp_path.iterdir() if path.name.startswith("gw")]
    assert len(seen) == len(set(seen)) == 2


def test_the_report_of_a_failure_has_the_log_of_the_test(session):
    done = session("""
        def test_passes(restage):
            restage.restart()

        def test_fails(restage):
            restage.restart()
            assert False

        def test_of_others():
            assert False
    """)
    done.assert_outcomes(passed=1, failed=2)
    text = done.stdout.str()
    first, second = text.split("test_of_others", 1)[0], text.split("test_of_others", 1)[1]
    assert re.search(r"-+ restage at http://127\.0\.0\.1:\d+ -+", first)
    # One restart: that of the test before is not in it.
    assert len(re.findall(r"ready on", first)) == 1
    assert "restage at" not in second.split("short test summary", 1)[0]


def test_a_server_that_ended_is_in_the_report(session):
    done = session("""
        import os, signal, time

        def test_kills(restage):
            os.kill(restage.pid, signal.SIGKILL)
            while restage.exit_code is None:
                time.sleep(0.01)
            restage.client()
    """)
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["*ServerError: restage ended by itself: exit code -9*", "*It ended by itself*"])


ENDS = """
import os, signal, time

def end(server):
    os.kill(server.pid, signal.SIGKILL)
    while server.exit_code is None:
        time.sleep(0.01)
"""


def test_a_server_that_ended_is_an_error_of_that_test_and_back_for_the_next(session):
    done = session(
        ENDS
        + """
def test_makes(restage_client):
    restage_client.create_stage(name="kept")

def test_ends(restage, restage_server):
    end(restage)
    end(restage_server())

def test_next(restage, restage_client):
    assert [stage["name"] for stage in restage_client.list_stages()["stages"]] == ["kept"]

def test_next_empty(restage_empty):
    assert restage_empty.stages() == []

def test_ends_as_the_last(restage):
    end(restage)
"""
    )
    done.assert_outcomes(passed=5, errors=2)
    done.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_ends *",
            "restage ended by itself: exit code -9",
            "*A test that ends a server on purpose calls its restart() or stop().",
            "restage ended by itself: exit code -9",
            "*ERROR at teardown of test_ends_as_the_last *",
        ]
    )


def test_the_server_is_back_before_the_fixtures_are_torn_down(session):
    done = session(
        ENDS
        + """
import pytest

@pytest.fixture
def stage(restage_client):
    arn = restage_client.create_stage(name="main")["stage"]["arn"]
    yield arn
    restage_client.delete_stage(arn=arn)

@pytest.fixture
def wrong():
    yield
    assert False

def test_ends(restage, stage):
    end(restage)

def test_ends_too(restage, wrong):
    end(restage)

def test_next(restage):
    assert restage.stages() == []
"""
    )
    done.assert_outcomes(passed=3, errors=2)
    done.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_ends *",
            "restage ended by itself: exit code -9",
            "*ERROR at teardown of test_ends_too *",
            "*assert False*",
            "restage ended by itself: exit code -9",
        ]
    )


def test_a_server_that_ends_between_two_tests_is_a_warning(session):
    done = session(
        """
        import conftest

        def test_first(restage):
            conftest.running = restage

        def test_second(restage):
            assert restage.stages() == []
        """,
        conftest="""
import os, signal, time

running = None

def pytest_runtest_logfinish(nodeid):
    global running
    if running is not None:
        os.kill(running.pid, signal.SIGKILL)
        while running.exit_code is None:
            time.sleep(0.01)
        running = None
""",
    )
    done.assert_outcomes(passed=2, warnings=1)
    done.stdout.fnmatch_lines(["*between two tests restage ended by itself: exit code -9*"])


def test_a_failed_test_is_not_an_error_too(session):
    done = session(
        ENDS
        + """
def test_ends(restage):
    end(restage)
    assert False

def test_next(restage_client):
    restage_client.create_stage(name="main")
"""
    )
    done.assert_outcomes(passed=1, failed=1)
    done.stdout.fnmatch_lines(["*It ended by itself, with exit code -9*"])


def test_a_test_may_end_a_server_on_purpose(session):
    done = session(
        ENDS
        + """
import pytest
from restage_testing import ServerError

def test_restarts(restage, restage_client):
    restage_client.create_stage(name="kept")
    end(restage)
    restage.restart()
    assert len(restage.stages()) == 1

def test_stops(restage_server):
    server = restage_server()
    end(server)
    server.stop()

def test_stops_the_one_of_all(restage):
    restage.stop()

def test_it_says_what_to_do(restage):
    with pytest.raises(ServerError, match="was stopped: start\\(\\) starts it"):
        restage.client()
    restage.start()
    assert restage.stages() == []
"""
    )
    done.assert_outcomes(passed=4)


def test_code_under_test_needs_no_environment_of_the_developer(session):
    done = session(
        """
        import boto3

        def test_own_client(restage_environment):
            boto3.session.Session().client("ivs-realtime").create_stage(name="own")
        """,
        environment={
            "http_proxy": "http://127.0.0.1:9",
            "no_proxy": "",
            "NO_PROXY": "",
            "AWS_PROFILE": "nope",
            "AWS_DEFAULT_PROFILE": "nope",
            "AWS_SESSION_TOKEN": "nope",
            "AWS_USE_FIPS_ENDPOINT": "true",
            "AWS_USE_DUALSTACK_ENDPOINT": "true",
            "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
        },
    )
    done.assert_outcomes(passed=1)


def test_a_missing_program_is_an_error_with_its_cure(session):
    done = session("def test_it(restage):\n    pass\n", "--restage-binary=/no/such/program")
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["*there is no program '/no/such/program': install restage*RESTAGE_BINARY*"])


def test_a_server_that_the_test_has_stopped_disturbs_nobody(session):
    done = session("""
        def test_stops(restage_server):
            restage_server().stop()

        def test_next():
            assert False
    """)
    done.assert_outcomes(passed=1, failed=1)
