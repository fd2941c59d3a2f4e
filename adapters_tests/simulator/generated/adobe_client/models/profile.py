from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.profile_attributes import ProfileAttributes


T = TypeVar("T", bound="Profile")


@_attrs_define
class Profile:
    """
    Attributes:
        not_before (int): Milliseconds since the epoch.
        not_after (int): Milliseconds since the epoch.
        issuer (str):
        type_ (str):
        attributes (ProfileAttributes):
    """

    not_before: int
    not_after: int
    issuer: str
    type_: str
    attributes: ProfileAttributes
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        not_before = self.not_before

        not_after = self.not_after

        issuer = self.issuer

        type_ = self.type_

        attributes = self.attributes.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "notBefore": not_before,
                "notAfter": not_after,
                "issuer": issuer,
                "type": type_,
                "attributes": attributes,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.profile_attributes import ProfileAttributes

        d = dict(src_dict)
        not_before = d.pop("notBefore")

        not_after = d.pop("notAfter")

        issuer = d.pop("issuer")

        type_ = d.pop("type")

        attributes = ProfileAttributes.from_dict(d.pop("attributes"))

        profile = cls(
            not_before=not_before,
            not_after=not_after,
            issuer=issuer,
            type_=type_,
            attributes=attributes,
        )

        profile.additional_properties = d
        return profile

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
