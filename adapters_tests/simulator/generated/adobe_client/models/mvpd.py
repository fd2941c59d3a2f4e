from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="Mvpd")


@_attrs_define
class Mvpd:
    """
    Attributes:
        id (str):
        display_name (str):
        logo_url (str):
        is_temp_pass (bool | Unset):
        enable_platform_services (bool | Unset):
        display_in_platform_picker (bool | Unset):
        platform_mapping_id (str | Unset):
    """

    id: str
    display_name: str
    logo_url: str
    is_temp_pass: bool | Unset = UNSET
    enable_platform_services: bool | Unset = UNSET
    display_in_platform_picker: bool | Unset = UNSET
    platform_mapping_id: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        id = self.id

        display_name = self.display_name

        logo_url = self.logo_url

        is_temp_pass = self.is_temp_pass

        enable_platform_services = self.enable_platform_services

        display_in_platform_picker = self.display_in_platform_picker

        platform_mapping_id = self.platform_mapping_id

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "id": id,
                "displayName": display_name,
                "logoUrl": logo_url,
            }
        )
        if is_temp_pass is not UNSET:
            field_dict["isTempPass"] = is_temp_pass
        if enable_platform_services is not UNSET:
            field_dict["enablePlatformServices"] = enable_platform_services
        if display_in_platform_picker is not UNSET:
            field_dict["displayInPlatformPicker"] = display_in_platform_picker
        if platform_mapping_id is not UNSET:
            field_dict["platformMappingId"] = platform_mapping_id

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        id = d.pop("id")

        display_name = d.pop("displayName")

        logo_url = d.pop("logoUrl")

        is_temp_pass = d.pop("isTempPass", UNSET)

        enable_platform_services = d.pop("enablePlatformServices", UNSET)

        display_in_platform_picker = d.pop("displayInPlatformPicker", UNSET)

        platform_mapping_id = d.pop("platformMappingId", UNSET)

        mvpd = cls(
            id=id,
            display_name=display_name,
            logo_url=logo_url,
            is_temp_pass=is_temp_pass,
            enable_platform_services=enable_platform_services,
            display_in_platform_picker=display_in_platform_picker,
            platform_mapping_id=platform_mapping_id,
        )

        mvpd.additional_properties = d
        return mvpd

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
