from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.device_connection_ip_address import DeviceConnectionIpAddress


T = TypeVar("T", bound="DeviceConnection")


@_attrs_define
class DeviceConnection:
    """
    Attributes:
        ip_address (DeviceConnectionIpAddress):
        port (str):
        secure (bool):
        type_ (str):
    """

    ip_address: DeviceConnectionIpAddress
    port: str
    secure: bool
    type_: str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        ip_address = self.ip_address.to_dict()

        port = self.port

        secure = self.secure

        type_ = self.type_

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "ipAddress": ip_address,
                "port": port,
                "secure": secure,
                "type": type_,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.device_connection_ip_address import DeviceConnectionIpAddress

        d = dict(src_dict)
        ip_address = DeviceConnectionIpAddress.from_dict(d.pop("ipAddress"))

        port = d.pop("port")

        secure = d.pop("secure")

        type_ = d.pop("type")

        device_connection = cls(
            ip_address=ip_address,
            port=port,
            secure=secure,
            type_=type_,
        )

        device_connection.additional_properties = d
        return device_connection

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
