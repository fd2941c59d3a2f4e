"""Programs that run servers of others, each in a process of its own: they print one line of facts, and serve."""
