"""What the conformance tests share: the server under test, clients of it, and ways to wait."""
