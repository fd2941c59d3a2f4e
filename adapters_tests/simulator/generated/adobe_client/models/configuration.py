from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.requestor import Requestor


T = TypeVar("T", bound="Configuration")


@_attrs_define
class Configuration:
    """
    Attributes:
        requestor (Requestor):
        device (str | Unset):
        client_type (str | Unset):
        os (str | Unset):
    """

    requestor: Requestor
    device: str | Unset = UNSET
    client_type: str | Unset = UNSET
    os: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        requestor = self.requestor.to_dict()

        device = self.device

        client_type = self.client_type

        os = self.os

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "requestor": requestor,
            }
        )
        if device is not UNSET:
            field_dict["device"] = device
        if client_type is not UNSET:
            field_dict["clientType"] = client_type
        if os is not UNSET:
            field_dict["os"] = os

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.requestor import Requestor

        d = dict(src_dict)
        requestor = Requestor.from_dict(d.pop("requestor"))

        device = d.pop("device", UNSET)

        client_type = d.pop("clientType", UNSET)

        os = d.pop("os", UNSET)

        configuration = cls(
            requestor=requestor,
            device=device,
            client_type=client_type,
            os=os,
        )

        configuration.additional_properties = d
        return configuration

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
