"""The interop matrix: which client can do what with a server, and how the results are reported."""
