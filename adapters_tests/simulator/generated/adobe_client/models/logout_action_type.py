from enum import StrEnum


class LogoutActionType(StrEnum):
    INTERACTIVE = "interactive"
    NONE = "none"
    PARTNER_INTERACTIVE = "partner_interactive"

    def __str__(self) -> str:
        return str(self.value)
