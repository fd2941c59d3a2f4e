from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.enhanced_error_action import EnhancedErrorAction
from ..types import UNSET, Unset

T = TypeVar("T", bound="EnhancedError")


@_attrs_define
class EnhancedError:
    """
    Attributes:
        action (EnhancedErrorAction):
        status (int):
        code (str):
        message (str | Unset):
        details (str | Unset):
        help_url (str | Unset):
        trace (str | Unset):
    """

    action: EnhancedErrorAction
    status: int
    code: str
    message: str | Unset = UNSET
    details: str | Unset = UNSET
    help_url: str | Unset = UNSET
    trace: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        action = self.action.value

        status = self.status

        code = self.code

        message = self.message

        details = self.details

        help_url = self.help_url

        trace = self.trace

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "action": action,
                "status": status,
                "code": code,
            }
        )
        if message is not UNSET:
            field_dict["message"] = message
        if details is not UNSET:
            field_dict["details"] = details
        if help_url is not UNSET:
            field_dict["helpUrl"] = help_url
        if trace is not UNSET:
            field_dict["trace"] = trace

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        action = EnhancedErrorAction(d.pop("action"))

        status = d.pop("status")

        code = d.pop("code")

        message = d.pop("message", UNSET)

        details = d.pop("details", UNSET)

        help_url = d.pop("helpUrl", UNSET)

        trace = d.pop("trace", UNSET)

        enhanced_error = cls(
            action=action,
            status=status,
            code=code,
            message=message,
            details=details,
            help_url=help_url,
            trace=trace,
        )

        enhanced_error.additional_properties = d
        return enhanced_error

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
