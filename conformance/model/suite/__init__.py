"""Cases made from the service's own model, as the installed botocore carries it, and what each must come to."""
