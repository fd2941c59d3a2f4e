"""What crosses rooms: processes from start to end, secrets, faults of servers, packaging, documentation."""
