from enum import StrEnum


class SessionActionName(StrEnum):
    AUTHENTICATE = "authenticate"
    AUTHORIZE = "authorize"
    RESUME = "resume"
    RETRY = "retry"

    def __str__(self) -> str:
        return str(self.value)
