"""Cases generated from the service's model in the installed botocore, with the expected results."""
