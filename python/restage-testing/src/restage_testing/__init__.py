"""A restage server for tests: the Amazon IVS Real-Time API on this machine.

With pytest, the fixtures are there once the package is installed (see `restage_testing.plugin`). Without it:

    with RestageServer() as server:
        stage = server.client().create_stage(name="main")["stage"]
"""

from restage_testing.error import ServerError
from restage_testing.publisher import Publisher
from restage_testing.server import Credentials, RestageServer

__all__ = ["Credentials", "Publisher", "RestageServer", "ServerError"]
