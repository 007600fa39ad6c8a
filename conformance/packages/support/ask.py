"""Asks a server over its own network, as a program: whether it answers, and by boto3 which stages it has.

ask.py URL CREDENTIALS: the file that the server has made. Prints a JSON object.
"""

import configparser
import json
import sys
import urllib.request

import boto3


def main():
    url, credentials = sys.argv[1:]
    with urllib.request.urlopen(f"{url}/healthz", timeout=5) as answer:
        health = answer.status
    keys = configparser.ConfigParser()
    keys.read_string(credentials)
    client = boto3.client(
        "ivs-realtime",
        endpoint_url=url,
        region_name="eu-west-1",
        aws_access_key_id=keys["default"]["aws_access_key_id"],
        aws_secret_access_key=keys["default"]["aws_secret_access_key"],
    )
    name = client.create_stage(name="trial")["stage"]["name"]
    stages = [stage["name"] for stage in client.list_stages()["stages"]]
    print(json.dumps({"health": health, "created": name, "stages": stages}))


if __name__ == "__main__":
    main()
