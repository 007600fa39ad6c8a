"""The error of this package."""


class ServerError(Exception):
    """The server did not start, or is not there any more. The text says why, where it can with the end of its log."""
