from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.device import Device
    from ..models.session_status_existing_parameters import SessionStatusExistingParameters


T = TypeVar("T", bound="SessionStatus")


@_attrs_define
class SessionStatus:
    """
    Attributes:
        existing_parameters (SessionStatusExistingParameters):
        device (Device):
        not_before (str): Milliseconds since the epoch.
        not_after (str): Milliseconds since the epoch.
        missing_parameters (list[str] | Unset):
    """

    existing_parameters: SessionStatusExistingParameters
    device: Device
    not_before: str
    not_after: str
    missing_parameters: list[str] | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        existing_parameters = self.existing_parameters.to_dict()

        device = self.device.to_dict()

        not_before = self.not_before

        not_after = self.not_after

        missing_parameters: list[str] | Unset = UNSET
        if not isinstance(self.missing_parameters, Unset):
            missing_parameters = self.missing_parameters

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "existingParameters": existing_parameters,
                "device": device,
                "notBefore": not_before,
                "notAfter": not_after,
            }
        )
        if missing_parameters is not UNSET:
            field_dict["missingParameters"] = missing_parameters

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.device import Device
        from ..models.session_status_existing_parameters import SessionStatusExistingParameters

        d = dict(src_dict)
        existing_parameters = SessionStatusExistingParameters.from_dict(d.pop("existingParameters"))

        device = Device.from_dict(d.pop("device"))

        not_before = d.pop("notBefore")

        not_after = d.pop("notAfter")

        missing_parameters = cast(list[str], d.pop("missingParameters", UNSET))

        session_status = cls(
            existing_parameters=existing_parameters,
            device=device,
            not_before=not_before,
            not_after=not_after,
            missing_parameters=missing_parameters,
        )

        session_status.additional_properties = d
        return session_status

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
