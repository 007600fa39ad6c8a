"""One server for the whole run, and the counts at its end."""

import pytest

from suite import showcase
from suite.world import CHANNELS, SESSION_IDLE_S, World, channel
from support.media import Media
from support.server import OUTPUT, Server

LOG = "model"


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """The server with its history, after every kind of answer was requested once."""
    (OUTPUT / f"{LOG}.log").unlink(missing_ok=True)
    data = tmp_path_factory.mktemp("model") / "data"
    config = data.with_suffix(".toml")
    config.write_text("".join(channel_text(number) for number in range(CHANNELS)))
    arguments = ("--config", str(config), "--session-idle-seconds", str(SESSION_IDLE_S))
    server = Server(data, *arguments, name=LOG).start()
    media = Media()
    try:
        try:
            made = World(server, media)
            showcase.show(made)
        except Exception as error:
            # Without the history no case is meaningful, so one failure replaces thousands.
            pytest.exit(f"the history could not be made: {error!r}\n{error}", returncode=1)
        yield made
        made.wire.close()
    finally:
        media.close()
        server.stop()


def channel_text(number):
    """A channel of the configuration. Nobody listens there."""
    return f'[[channel]]\narn = "{channel(number)}"\nurl = "rtmp://127.0.0.1:1/live"\nstream-key = "key{number}"\n'


def pytest_terminal_summary(terminalreporter):
    """`1234 cases, 1231 passed, 3 excused`."""

    def count(outcome):
        return sum("test_case[" in report.nodeid for report in terminalreporter.stats.get(outcome, ()))

    passed, excused, failed = count("passed"), count("xfailed"), count("failed")
    line = f"{passed + excused + failed} cases, {passed} passed, {excused} excused"
    terminalreporter.write_line(line + (f", {failed} failed" if failed else ""))
