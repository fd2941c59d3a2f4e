from enum import StrEnum


class SessionReasonType(StrEnum):
    AUTHENTICATED = "authenticated"
    AUTHENTICATEDSSO = "authenticatedSSO"
    DEGRADED = "degraded"
    NONE = "none"
    TEMPORARY = "temporary"

    def __str__(self) -> str:
        return str(self.value)
