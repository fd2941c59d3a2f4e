from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="DeviceBrowser")


@_attrs_define
class DeviceBrowser:
    """
    Attributes:
        user_agent (str):
        original_user_agent (str):
    """

    user_agent: str
    original_user_agent: str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        user_agent = self.user_agent

        original_user_agent = self.original_user_agent

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "userAgent": user_agent,
                "originalUserAgent": original_user_agent,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        user_agent = d.pop("userAgent")

        original_user_agent = d.pop("originalUserAgent")

        device_browser = cls(
            user_agent=user_agent,
            original_user_agent=original_user_agent,
        )

        device_browser.additional_properties = d
        return device_browser

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
