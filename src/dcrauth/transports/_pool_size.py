"""How many connections are kept to one place: one for each worker that renews."""


class PoolSize:
    """The number, which the engine sets together with that of its workers.

    Attributes:
        most: so many.
    """

    def __init__(self, most: int = 64) -> None:
        self.most = most


POOL_SIZE = PoolSize()
"""That of this process."""
