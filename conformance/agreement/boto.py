"""The results of boto3 for a task; see README.md."""

import base64
import datetime
import json

import boto3
import botocore.config
import botocore.exceptions
from botocore import xform_name


def client(task, keys=None):
    """boto3 without retries and without client-side validation, so that the service sees every request."""
    keys = keys or task
    return boto3.session.Session().client(
        "ivs-realtime",
        endpoint_url=task["url"],
        region_name=task["region"],
        aws_access_key_id=keys["accessKeyId"],
        aws_secret_access_key=keys["secretAccessKey"],
        config=botocore.config.Config(retries={"total_max_attempts": 1}, parameter_validation=False),
    )


def refusal(task, case):
    ivs = client(task, case.get("keys"))
    for _ in range(case.get("repeat", 1)):
        try:
            getattr(ivs, xform_name(case["operation"]))(**case["input"])
        except botocore.exceptions.ClientError as error:
            said, answer = error.response["Error"], error.response["ResponseMetadata"]
            return {
                "code": said["Code"],
                "status": answer["HTTPStatusCode"],
                "message": said["Message"],
                "hasRequestId": bool(answer.get("RequestId")),
                "hasClass": type(error) is not botocore.exceptions.ClientError,
            }
    raise AssertionError(f"{case['name']}: not refused")


def walk(ivs, case, **config):
    """Ids of all items, through the paginator; lists for which botocore has none are read by their page tokens."""
    config = {name: value for name, value in config.items() if value}
    operation = xform_name(case["operation"])
    if ivs.can_paginate(operation):
        pages = ivs.get_paginator(operation).paginate(**case["input"], PaginationConfig=config)
        return ids(case, pages.build_full_result())
    asked = dict(case["input"])
    if "PageSize" in config:
        asked["maxResults"] = config["PageSize"]
    if "StartingToken" in config:
        asked["nextToken"] = config["StartingToken"]
    found = []
    while True:
        page = getattr(ivs, operation)(**asked)
        found += ids(case, page)
        if "nextToken" not in page or len(found) >= config.get("MaxItems", len(found) + 1):
            return found[: config.get("MaxItems")]
        asked["nextToken"] = page["nextToken"]


def ids(case, answer):
    """The values that identify the items of a list."""
    return [item[case["id"]] for item in answer.get(case["items"], [])]


def first_token(ivs, case):
    return getattr(ivs, xform_name(case["operation"]))(**case["input"], maxResults=2)["nextToken"]


def resumed(task):
    """The ids after each SDK's token, by walk and SDK."""
    ivs = client(task)
    return {
        case["name"]: {
            sdk: walk(ivs, case, StartingToken=tokens[case["name"]], PageSize=3)
            for sdk, tokens in task["tokens"].items()
        }
        for case in task["walks"]
    }


def participant_token(ivs, wishes):
    made = ivs.create_participant_token(**wishes)["participantToken"]
    middle = made["token"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    return {
        "userId": made["userId"],
        "duration": made["duration"],
        "attributes": made["attributes"],
        "capabilities": made["capabilities"],
        "isItsId": claims["jti"] == made["participantId"],
        "expiresAtClaim": made["expirationTime"] == datetime.datetime.fromtimestamp(claims["exp"], datetime.UTC),
    }


def report(task):
    """The whole report."""
    ivs = client(task)
    walks = {}
    for case in task["walks"]:
        for size in case["pageSizes"]:
            walks[f"{case['name']} by {size}"] = walk(ivs, case, PageSize=size)
        walks[f"{case['name']} up to a limit"] = walk(ivs, case, PageSize=2, MaxItems=case["maxItems"])
    return {
        "errors": {case["name"]: refusal(task, case) for case in task["errors"]},
        "walks": walks,
        "tokens": {case["name"]: first_token(ivs, case) for case in task["walks"]},
        "resumed": resumed(task),
        "token": participant_token(ivs, task["token"]),
    }
