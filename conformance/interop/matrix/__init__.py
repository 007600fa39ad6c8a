"""The interop matrix: which client does what with a server, and how that is told."""
