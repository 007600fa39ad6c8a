"""Opens many connections and holds them, from several addresses by turns.

    python strangers.py HOST PORT COUNT HEX SOURCE...

Each connection sends the bytes HEX, and no more. It prints a line when all have been tried. For each line of its input
it prints how many the server has not closed; at the end of the input it ends.
"""

import resource
import selectors
import socket
import sys

CONNECT_S = 30


def main() -> None:
    host, port, count, opening, *sources = sys.argv[1:]
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    selector = selectors.DefaultSelector()
    for number in range(int(count)):
        source = (sources[number % len(sources)], 0)
        connection = socket.create_connection((host, int(port)), CONNECT_S, source_address=source)
        connection.setblocking(False)
        # The server may have closed it already.
        try:
            connection.send(bytes.fromhex(opening))
        except ConnectionError:
            connection.close()
            continue
        selector.register(connection, selectors.EVENT_READ)
    print("tried", flush=True)
    for _ in sys.stdin:
        # What can be read is an end, or the refusal before it.
        for key, _ in selector.select(0):
            selector.unregister(key.fileobj)
            key.fileobj.close()
        print(len(selector.get_map()), flush=True)


if __name__ == "__main__":
    main()
