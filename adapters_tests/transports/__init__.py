"""How our own calls travel, over real sockets."""
