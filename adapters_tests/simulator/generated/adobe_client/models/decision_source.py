from enum import StrEnum


class DecisionSource(StrEnum):
    DEGRADATION = "degradation"
    DUMMY = "dummy"
    MVPD = "mvpd"
    TEMPPASS = "temppass"

    def __str__(self) -> str:
        return str(self.value)
