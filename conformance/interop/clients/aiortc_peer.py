"""aiortc with its usual settings: python aiortc_peer.py publish|watch URL TOKEN VP8|H264"""

import json
import pathlib
import sys
import threading

import aioice.ice

# The support code restricts its peers to loopback. This client uses the addresses that aiortc chooses.
ALL_ADDRESSES = aioice.ice.get_host_addresses

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1] / "python")]

from matrix.viewer import Viewer  # noqa: E402
from support.media import Media, Publisher, Refused  # noqa: E402

REPORT_S = 0.1
IDENTITY = 31


def main():
    role, url, token, codec = sys.argv[1:]
    aioice.ice.get_host_addresses = ALL_ADDRESSES
    media = Media()
    peer = Publisher(media, url, token, IDENTITY, codec, True, True) if role == "publish" else Viewer(media, url, token)
    try:
        media.open(peer)
    except (Refused, AssertionError) as error:
        print(json.dumps({"failed": str(error)}))
        sys.exit(1)
    print(json.dumps({"connected": True}))
    asked_to_leave = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), asked_to_leave.set()), daemon=True).start()
    while not asked_to_leave.wait(REPORT_S):
        if role == "watch":
            print(json.dumps(peer.report()))
    peer.leave()
    media.close()


if __name__ == "__main__":
    main()
