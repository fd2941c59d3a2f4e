from enum import StrEnum


class PartnerSessionActionName(StrEnum):
    AUTHENTICATE = "authenticate"
    AUTHORIZE = "authorize"
    PARTNER_PROFILE = "partner_profile"
    RESUME = "resume"

    def __str__(self) -> str:
        return str(self.value)
