"""Runs paginations through botocore, one for each line of standard input.

The first line it prints is botocore's version. A line is a JSON object: the operation, its parameters, the pagination config, the mode ("full",
"pages" or "search") and for the latter an expression. The answer is one line with what came of
it. Requests carry the case's number in a header, so that the server can tell them apart.
"""

import json
import sys

import boto3
import botocore
from botocore.config import Config
from botocore.exceptions import ClientError, PaginationError, ParamValidationError
from jmespath.exceptions import JMESPathError

LISTS = {
    "list_public_keys": "publicKeys",
    "list_ingest_configurations": "ingestConfigurations",
    "list_participant_replicas": "replicas",
}


def error_kind(error):
    if isinstance(error, PaginationError):
        return "same_token"
    if isinstance(error, ClientError):
        return "service:" + error.response["Error"]["Code"]
    if isinstance(error, JMESPathError):
        return "search"
    if isinstance(error, ParamValidationError):
        # One error tells of every parameter; the token is the first that is looked at here.
        about_token = "nextToken" in str(error) or "Unknown parameter" in str(error)
        return "starting_token" if about_token else "config"
    # What is left is "Bad starting token", or a token that botocore trips over.
    return "starting_token"


def run(client, case):
    result = {"items": None, "pages": 0, "next_token": None, "error": None, "crash": None}
    try:
        paginator = client.get_paginator(case["operation"])
        try:
            pages = paginator.paginate(**case["parameters"], PaginationConfig=case["config"])
        except (TypeError, ValueError) as error:
            # Nothing but the numbers is looked at before the first page.
            return result | {"error": "config", "crash": type(error).__name__}
        if case["mode"] == "full":
            full = pages.build_full_result()
            result["items"] = full.get(LISTS[case["operation"]])
            result["next_token"] = full.get("NextToken")
        elif case["mode"] == "search":
            result["items"] = []
            for found in pages.search(case["expression"]):
                result["items"].append(found)
            result["next_token"] = pages.resume_token
        else:
            result["items"] = []
            for page in pages:
                result["pages"] += 1
                result["items"].append(page.get(LISTS[case["operation"]]))
            result["next_token"] = pages.resume_token
    except Exception as error:
        result["error"] = error_kind(error)
        result["crash"] = type(error).__name__
    return result


def main(endpoint):
    client = boto3.client(
        "ivs-realtime",
        endpoint_url=endpoint,
        region_name="eu-west-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, max_pool_connections=1),
    )
    current = {}

    def mark(request, **_):
        request.headers["x-case"] = current["label"]

    client.meta.events.register("before-send.ivs-realtime", mark)
    print(botocore.__version__, flush=True)
    for line in sys.stdin:
        case = json.loads(line)
        current["label"] = case["label"]
        print(json.dumps(run(client, case), default=str), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
