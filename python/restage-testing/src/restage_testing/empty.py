"""Removes everything that an account has in a Region."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_ivs_realtime import IVSRealTimeClient

# How long something may be in use after what used it was told to end.
RELEASE_S = 15.0
# What is listed, and what removes one, in an order in which nothing that is removed is still used.
KINDS = (
    ("list_stages", "stages", "delete_stage"),
    ("list_ingest_configurations", "ingestConfigurations", "delete_ingest_configuration"),
    ("list_encoder_configurations", "encoderConfigurations", "delete_encoder_configuration"),
    ("list_storage_configurations", "storageConfigurations", "delete_storage_configuration"),
    ("list_public_keys", "publicKeys", "delete_public_key"),
)


def make_empty(client: IVSRealTimeClient) -> None:
    """Stops compositions, and deletes stages, configurations and public keys."""
    for composition in listed(client, "list_compositions", "compositions"):
        if composition["state"] in ("STARTING", "ACTIVE"):
            _unless_gone(client, partial(client.stop_composition, arn=composition["arn"]))
    for lists, member, deletes in KINDS:
        delete = getattr(client, deletes)
        force = {"force": True} if deletes == "delete_ingest_configuration" else {}
        for found in listed(client, lists, member):
            _unless_gone(client, partial(delete, arn=found["arn"], **force))


def listed(client: IVSRealTimeClient, operation: str, member: str) -> list[dict[str, Any]]:
    """Everything of a kind. boto3 has paginators for few of these operations.

    All pages come before anything is deleted, so that none moves under the next one.
    """
    call = getattr(client, operation)
    found: list[dict[str, Any]] = []
    token: dict[str, str] = {}
    while True:
        page = call(**token)
        found += page[member]
        if not page.get("nextToken"):
            return found
        token = {"nextToken": page["nextToken"]}


def _unless_gone(client: IVSRealTimeClient, call: Callable[[], object]) -> None:
    """Calls it until it is no longer in use. What is gone is as good as deleted."""
    ends_at = time.monotonic() + RELEASE_S
    while True:
        try:
            call()
            return
        except client.exceptions.ResourceNotFoundException:
            return
        except client.exceptions.ConflictException:
            if time.monotonic() > ends_at:
                raise
            time.sleep(0.05)
