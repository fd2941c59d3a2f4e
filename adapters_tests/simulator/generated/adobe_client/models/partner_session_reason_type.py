from enum import StrEnum


class PartnerSessionReasonType(StrEnum):
    AUTHENTICATED = "authenticated"
    AUTHENTICATEDSSO = "authenticatedSSO"
    CONFIGURATION_FALLBACK = "configuration_fallback"
    DEGRADED = "degraded"
    MISSING_PARAMETERS_FALLBACK = "missing_parameters_fallback"
    NONE = "none"
    PFS_FALLBACK = "pfs_fallback"
    TEMPORARY = "temporary"

    def __str__(self) -> str:
        return str(self.value)
