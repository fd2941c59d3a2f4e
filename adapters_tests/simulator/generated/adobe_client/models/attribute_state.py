from enum import StrEnum


class AttributeState(StrEnum):
    ENC = "enc"
    PLAIN = "plain"

    def __str__(self) -> str:
        return str(self.value)
