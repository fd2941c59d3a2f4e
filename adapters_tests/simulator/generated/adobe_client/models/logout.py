from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.logout_action_name import LogoutActionName
from ..models.logout_action_type import LogoutActionType
from ..types import UNSET, Unset

T = TypeVar("T", bound="Logout")


@_attrs_define
class Logout:
    """
    Attributes:
        action_name (LogoutActionName):
        action_type (LogoutActionType):
        mvpd (str):
        url (str | Unset):
    """

    action_name: LogoutActionName
    action_type: LogoutActionType
    mvpd: str
    url: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        action_name = self.action_name.value

        action_type = self.action_type.value

        mvpd = self.mvpd

        url = self.url

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "actionName": action_name,
                "actionType": action_type,
                "mvpd": mvpd,
            }
        )
        if url is not UNSET:
            field_dict["url"] = url

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        action_name = LogoutActionName(d.pop("actionName"))

        action_type = LogoutActionType(d.pop("actionType"))

        mvpd = d.pop("mvpd")

        url = d.pop("url", UNSET)

        logout = cls(
            action_name=action_name,
            action_type=action_type,
            mvpd=mvpd,
            url=url,
        )

        logout.additional_properties = d
        return logout

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
