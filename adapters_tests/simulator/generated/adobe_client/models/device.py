from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.device_type import DeviceType

if TYPE_CHECKING:
    from ..models.device_browser import DeviceBrowser
    from ..models.device_connection import DeviceConnection
    from ..models.device_hardware import DeviceHardware
    from ..models.device_operating_system import DeviceOperatingSystem
    from ..models.version import Version


T = TypeVar("T", bound="Device")


@_attrs_define
class Device:
    """
    Attributes:
        type_ (DeviceType):
        model (str):
        version (Version):
        hardware (DeviceHardware):
        operating_system (DeviceOperatingSystem):
        browser (DeviceBrowser):
        connection (DeviceConnection):
        application_id (str):
    """

    type_: DeviceType
    model: str
    version: Version
    hardware: DeviceHardware
    operating_system: DeviceOperatingSystem
    browser: DeviceBrowser
    connection: DeviceConnection
    application_id: str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        type_ = self.type_.value

        model = self.model

        version = self.version.to_dict()

        hardware = self.hardware.to_dict()

        operating_system = self.operating_system.to_dict()

        browser = self.browser.to_dict()

        connection = self.connection.to_dict()

        application_id = self.application_id

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "type": type_,
                "model": model,
                "version": version,
                "hardware": hardware,
                "operatingSystem": operating_system,
                "browser": browser,
                "connection": connection,
                "applicationId": application_id,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.device_browser import DeviceBrowser
        from ..models.device_connection import DeviceConnection
        from ..models.device_hardware import DeviceHardware
        from ..models.device_operating_system import DeviceOperatingSystem
        from ..models.version import Version

        d = dict(src_dict)
        type_ = DeviceType(d.pop("type"))

        model = d.pop("model")

        version = Version.from_dict(d.pop("version"))

        hardware = DeviceHardware.from_dict(d.pop("hardware"))

        operating_system = DeviceOperatingSystem.from_dict(d.pop("operatingSystem"))

        browser = DeviceBrowser.from_dict(d.pop("browser"))

        connection = DeviceConnection.from_dict(d.pop("connection"))

        application_id = d.pop("applicationId")

        device = cls(
            type_=type_,
            model=model,
            version=version,
            hardware=hardware,
            operating_system=operating_system,
            browser=browser,
            connection=connection,
            application_id=application_id,
        )

        device.additional_properties = d
        return device

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
