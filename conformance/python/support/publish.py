"""A publisher in a process of its own: for tests that kill it, and for browsers to watch.

    python -m support.publish TOKEN [--identity N] [--codec VP8|H264]

Prints `published` when media can flow, and goes on until its standard input is closed.
"""

import argparse
import sys

from .media import Media


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("token")
    parser.add_argument("--identity", type=int, default=1)
    parser.add_argument("--codec", choices=["VP8", "H264"], default="VP8")
    arguments = parser.parse_args()
    media = Media()
    publisher = media.publish(arguments.token, arguments.identity, arguments.codec)
    print("published", flush=True)
    sys.stdin.read()
    publisher.leave()
    media.close()


if __name__ == "__main__":
    main()
