"""Somebody who publishes, for tests that need one."""

from __future__ import annotations

import itertools
import json
import pathlib
import time
from collections.abc import Mapping, Sequence
from types import TracebackType

from restage_testing.child import Child, tail

PUBLISH_S = 30.0
STOP_S = 5.0
LOG_LINES = 20
NUMBERS = itertools.count(1)


class Publisher:
    """A `restage publish` that runs. `participant_id` and `stage_arn` are those of its participant."""

    def __init__(self, command: Sequence[str], *, environment: Mapping[str, str], directory: pathlib.Path) -> None:
        number = next(NUMBERS)
        self.participant_id = ""
        self.stage_arn = ""
        self._child = Child(
            command,
            environment=environment,
            output=directory / f"publisher-{number}.out",
            log=directory / f"publisher-{number}.log",
        )

    def wait_until_it_publishes(self) -> None:
        """Returns when media flows."""
        ends_at = time.monotonic() + PUBLISH_S
        while not self._child.output.read_text(encoding="utf-8").endswith("\n"):
            code = self._child.code()
            if code is not None or time.monotonic() > ends_at:
                why = f"ended with {code}" if code is not None else f"took longer than {PUBLISH_S:g} s"
                self.stop()
                raise RuntimeError(f"restage publish {why}:\n{tail(self._child.log, LOG_LINES)}")
            time.sleep(0.02)
        said = json.loads(self._child.output.read_text(encoding="utf-8").splitlines()[0])
        self.participant_id = said["participantId"]
        self.stage_arn = said["stageArn"]

    def is_running(self) -> bool:
        return self._child.code() is None

    def stop(self) -> None:
        """Leaves the stage. May be called twice."""
        self._child.end(STOP_S)

    def __enter__(self) -> Publisher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
