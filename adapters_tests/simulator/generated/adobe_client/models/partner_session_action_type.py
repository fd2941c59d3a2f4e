from enum import StrEnum


class PartnerSessionActionType(StrEnum):
    DIRECT = "direct"
    INTERACTIVE = "interactive"

    def __str__(self) -> str:
        return str(self.value)
