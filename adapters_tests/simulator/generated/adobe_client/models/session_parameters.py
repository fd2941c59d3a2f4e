from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="SessionParameters")


@_attrs_define
class SessionParameters:
    """
    Attributes:
        mvpd (str | Unset):
        domain_name (str | Unset):
        redirect_url (str | Unset):
    """

    mvpd: str | Unset = UNSET
    domain_name: str | Unset = UNSET
    redirect_url: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        mvpd = self.mvpd

        domain_name = self.domain_name

        redirect_url = self.redirect_url

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({})
        if mvpd is not UNSET:
            field_dict["mvpd"] = mvpd
        if domain_name is not UNSET:
            field_dict["domainName"] = domain_name
        if redirect_url is not UNSET:
            field_dict["redirectUrl"] = redirect_url

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        mvpd = d.pop("mvpd", UNSET)

        domain_name = d.pop("domainName", UNSET)

        redirect_url = d.pop("redirectUrl", UNSET)

        session_parameters = cls(
            mvpd=mvpd,
            domain_name=domain_name,
            redirect_url=redirect_url,
        )

        session_parameters.additional_properties = d
        return session_parameters

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
