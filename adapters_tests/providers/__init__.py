"""Adobe Pass as a provider: requests, answers, statements, devices, origins."""
