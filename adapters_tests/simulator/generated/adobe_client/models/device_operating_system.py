from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.version import Version


T = TypeVar("T", bound="DeviceOperatingSystem")


@_attrs_define
class DeviceOperatingSystem:
    """
    Attributes:
        name (str):
        family (str):
        vendor (str):
        version (Version):
    """

    name: str
    family: str
    vendor: str
    version: Version
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        name = self.name

        family = self.family

        vendor = self.vendor

        version = self.version.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "name": name,
                "family": family,
                "vendor": vendor,
                "version": version,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.version import Version

        d = dict(src_dict)
        name = d.pop("name")

        family = d.pop("family")

        vendor = d.pop("vendor")

        version = Version.from_dict(d.pop("version"))

        device_operating_system = cls(
            name=name,
            family=family,
            vendor=vendor,
            version=version,
        )

        device_operating_system.additional_properties = d
        return device_operating_system

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
