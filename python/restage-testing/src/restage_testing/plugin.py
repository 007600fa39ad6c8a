"""Fixtures for pytest. They are there once the package is installed.

| fixture | scope | what |
|---|---|---|
| `restage` | session | a running `RestageServer`; one for each worker of pytest-xdist |
| `restage_settings` | session | its settings: override it in conftest.py, `return {"limits": "aws"}` |
| `restage_client` | test | a boto3 client of it |
| `restage_empty` | test | the same server, with nothing in it when the test begins |
| `restage_environment` | test | sets the variables with which AWS SDKs and CLIs use the server, for the test |
| `restage_server` | session | makes further servers: `restage_server(limits="aws")`; they end with the session |

The report of a test that fails has what its servers have logged meanwhile. A server that has ended by itself, or was
killed, is an error of the test in which it ended, and runs again, with its data and address, for the next one.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from typing import TYPE_CHECKING, Protocol

import pytest

from restage_testing.error import ServerError
from restage_testing.server import RestageServer
from restage_testing.settings import Value

if TYPE_CHECKING:
    from mypy_boto3_ivs_realtime import IVSRealTimeClient

REPORT_LINES = 40
BINARY_OPTION = "--restage-binary"
# Variables that would lead an AWS SDK elsewhere, or to other keys, in spite of those that `environment` names.
LEADING_ELSEWHERE = (
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ENDPOINT_URL",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
)


class ServerFactory(Protocol):
    """Starts a server with these settings."""

    def __call__(
        self, settings: Mapping[str, Value] | None = None, *, region: str = ..., **further: Value
    ) -> RestageServer: ...


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("restage")
    group.addoption(
        BINARY_OPTION, metavar="PATH", help="the restage to test with (default: RESTAGE_BINARY, or that of PATH)"
    )


# Where the log of each server was when the running test began.
_BEGAN_AT: dict[RestageServer, int] = {}
# Of a test: whether its report has said already that a server has ended.
_IS_TOLD = pytest.StashKey[bool]()
# Of a test whose teardown failed: the servers that had ended, which may be why.
_ENDED = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def restage_server(request: pytest.FixtureRequest) -> Iterator[ServerFactory]:
    """Makes servers, which end with the session."""
    made: list[RestageServer] = []
    binary = request.config.getoption(BINARY_OPTION)

    def make(
        settings: Mapping[str, Value] | None = None, *, region: str = "us-east-1", **further: Value
    ) -> RestageServer:
        server = RestageServer({**(settings or {}), **further}, binary=binary, region=region)
        server.start()
        made.append(server)
        _BEGAN_AT[server] = 0
        return server

    yield make
    for server in reversed(made):
        _BEGAN_AT.pop(server, None)
        server.stop()


@pytest.fixture(scope="session")
def restage_settings() -> dict[str, Value]:
    """Settings of the server that `restage` is. Override this fixture."""
    return {}


@pytest.fixture(scope="session")
def restage(restage_server: ServerFactory, restage_settings: dict[str, Value]) -> RestageServer:
    """A running server."""
    return restage_server(restage_settings)


@pytest.fixture
def restage_client(restage: RestageServer) -> IVSRealTimeClient:
    """A boto3 client of the server."""
    return restage.client()


@pytest.fixture
def restage_empty(restage: RestageServer) -> RestageServer:
    """The server, with nothing in it."""
    restage.reset()
    return restage


@pytest.fixture
def restage_environment(restage: RestageServer, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The variables that lead to the server, set for this test, so that code under test needs no other change."""
    named = restage.environment
    for name in LEADING_ELSEWHERE:
        monkeypatch.delenv(name, raising=False)
    for name, value in named.items():
        monkeypatch.setenv(name, value)
    return named


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    # One that ended after the teardown of the test before.
    for said in bring_back():
        item.warn(pytest.PytestWarning(f"between two tests {said}"))
    for server in filter(lambda server: server.is_started, _BEGAN_AT):
        _BEGAN_AT[server] = server.log_file.stat().st_size


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    # Before the fixtures are torn down, which may need the servers, and which end them after the last test.
    ended = bring_back()
    try:
        yield
    except BaseException:
        item.stash[_ENDED] = ended + bring_back()
        raise
    ended += bring_back()
    if ended and not item.stash.get(_IS_TOLD, False):
        pytest.fail("\n".join(ended), pytrace=False)


def bring_back() -> list[str]:
    """Starts servers again that have ended by themselves. Returns what there is to say about each."""
    ended = []
    for server in filter(lambda server: server.is_started, list(_BEGAN_AT)):
        try:
            server.check_running()
        except ServerError as error:
            said = f"{error}\nA test that ends a server on purpose calls its restart() or stop()."
            try:
                server.restart()
            except ServerError as further:
                said += f"\nIt could not be started again, and the tests after this one have no server: {further}"
            ended.append(said)
    return ended


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        add_logs(item, report)
    return report


def add_logs(item: pytest.Item, report: pytest.TestReport) -> None:
    """What the servers have logged since the test began, as sections of its report."""
    report.sections.extend(("restage", said) for said in item.stash.get(_ENDED, ()))
    for server, since in _BEGAN_AT.items():
        if not server.is_started:
            continue
        text = server.log(REPORT_LINES, since)
        code = server.exit_code
        if code is not None:
            item.stash[_IS_TOLD] = True
            text += f"\nIt ended by itself, with exit code {code}."
        if text:
            report.sections.append((f"restage at {server.address}", text))
