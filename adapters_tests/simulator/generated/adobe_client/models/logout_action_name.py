from enum import StrEnum


class LogoutActionName(StrEnum):
    COMPLETE = "complete"
    INVALID = "invalid"
    LOGOUT = "logout"
    PARTNER_LOGOUT = "partner_logout"

    def __str__(self) -> str:
        return str(self.value)
