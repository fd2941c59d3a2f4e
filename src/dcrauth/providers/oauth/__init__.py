"""Every other OAuth server: how a client proves itself, what a server says of itself, and what answers mean."""
