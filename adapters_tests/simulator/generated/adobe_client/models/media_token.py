from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="MediaToken")


@_attrs_define
class MediaToken:
    """
    Attributes:
        not_before (int): Milliseconds since the epoch.
        not_after (int): Milliseconds since the epoch.
        serialized_token (str):
    """

    not_before: int
    not_after: int
    serialized_token: str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        not_before = self.not_before

        not_after = self.not_after

        serialized_token = self.serialized_token

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "notBefore": not_before,
                "notAfter": not_after,
                "serializedToken": serialized_token,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        not_before = d.pop("notBefore")

        not_after = d.pop("notAfter")

        serialized_token = d.pop("serializedToken")

        media_token = cls(
            not_before=not_before,
            not_after=not_after,
            serialized_token=serialized_token,
        )

        media_token.additional_properties = d
        return media_token

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
