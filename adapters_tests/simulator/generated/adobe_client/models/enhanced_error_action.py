from enum import StrEnum


class EnhancedErrorAction(StrEnum):
    APPLICATION_REGISTRATION = "application-registration"
    AUTHENTICATION = "authentication"
    CONFIGURATION = "configuration"
    NONE = "none"
    RETRY = "retry"

    def __str__(self) -> str:
        return str(self.value)
