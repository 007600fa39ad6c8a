"""Common code of the conformance tests: the server under test, its clients, and waiting."""
