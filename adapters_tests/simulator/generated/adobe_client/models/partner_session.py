from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.partner_session_action_name import PartnerSessionActionName
from ..models.partner_session_action_type import PartnerSessionActionType
from ..models.partner_session_reason_type import PartnerSessionReasonType
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.partner_request import PartnerRequest


T = TypeVar("T", bound="PartnerSession")


@_attrs_define
class PartnerSession:
    """
    Attributes:
        action_name (PartnerSessionActionName):
        action_type (PartnerSessionActionType):
        reason_type (PartnerSessionReasonType):
        url (str):
        session_id (str):
        service_provider (str):
        mvpd (str | Unset):
        code (str | Unset):
        missing_parameters (list[str] | Unset):
        not_before (str | Unset): Milliseconds since the epoch.
        not_after (str | Unset): Milliseconds since the epoch.
        authentication_request (PartnerRequest | Unset):
    """

    action_name: PartnerSessionActionName
    action_type: PartnerSessionActionType
    reason_type: PartnerSessionReasonType
    url: str
    session_id: str
    service_provider: str
    mvpd: str | Unset = UNSET
    code: str | Unset = UNSET
    missing_parameters: list[str] | Unset = UNSET
    not_before: str | Unset = UNSET
    not_after: str | Unset = UNSET
    authentication_request: PartnerRequest | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        action_name = self.action_name.value

        action_type = self.action_type.value

        reason_type = self.reason_type.value

        url = self.url

        session_id = self.session_id

        service_provider = self.service_provider

        mvpd = self.mvpd

        code = self.code

        missing_parameters: list[str] | Unset = UNSET
        if not isinstance(self.missing_parameters, Unset):
            missing_parameters = self.missing_parameters

        not_before = self.not_before

        not_after = self.not_after

        authentication_request: dict[str, Any] | Unset = UNSET
        if not isinstance(self.authentication_request, Unset):
            authentication_request = self.authentication_request.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "actionName": action_name,
                "actionType": action_type,
                "reasonType": reason_type,
                "url": url,
                "sessionId": session_id,
                "serviceProvider": service_provider,
            }
        )
        if mvpd is not UNSET:
            field_dict["mvpd"] = mvpd
        if code is not UNSET:
            field_dict["code"] = code
        if missing_parameters is not UNSET:
            field_dict["missingParameters"] = missing_parameters
        if not_before is not UNSET:
            field_dict["notBefore"] = not_before
        if not_after is not UNSET:
            field_dict["notAfter"] = not_after
        if authentication_request is not UNSET:
            field_dict["authenticationRequest"] = authentication_request

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.partner_request import PartnerRequest

        d = dict(src_dict)
        action_name = PartnerSessionActionName(d.pop("actionName"))

        action_type = PartnerSessionActionType(d.pop("actionType"))

        reason_type = PartnerSessionReasonType(d.pop("reasonType"))

        url = d.pop("url")

        session_id = d.pop("sessionId")

        service_provider = d.pop("serviceProvider")

        mvpd = d.pop("mvpd", UNSET)

        code = d.pop("code", UNSET)

        missing_parameters = cast(list[str], d.pop("missingParameters", UNSET))

        not_before = d.pop("notBefore", UNSET)

        not_after = d.pop("notAfter", UNSET)

        _authentication_request = d.pop("authenticationRequest", UNSET)
        authentication_request: PartnerRequest | Unset
        if isinstance(_authentication_request, Unset):
            authentication_request = UNSET
        else:
            authentication_request = PartnerRequest.from_dict(_authentication_request)

        partner_session = cls(
            action_name=action_name,
            action_type=action_type,
            reason_type=reason_type,
            url=url,
            session_id=session_id,
            service_provider=service_provider,
            mvpd=mvpd,
            code=code,
            missing_parameters=missing_parameters,
            not_before=not_before,
            not_after=not_after,
            authentication_request=authentication_request,
        )

        partner_session.additional_properties = d
        return partner_session

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
