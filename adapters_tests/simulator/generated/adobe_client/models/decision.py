from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.decision_source import DecisionSource
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.enhanced_error import EnhancedError
    from ..models.media_token import MediaToken


T = TypeVar("T", bound="Decision")


@_attrs_define
class Decision:
    """
    Attributes:
        resource (str):
        service_provider (str):
        mvpd (str):
        source (DecisionSource):
        authorized (bool):
        error (EnhancedError | Unset):
        token (MediaToken | Unset):
        not_before (int | Unset): Milliseconds since the epoch.
        not_after (int | Unset): Milliseconds since the epoch.
    """

    resource: str
    service_provider: str
    mvpd: str
    source: DecisionSource
    authorized: bool
    error: EnhancedError | Unset = UNSET
    token: MediaToken | Unset = UNSET
    not_before: int | Unset = UNSET
    not_after: int | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        resource = self.resource

        service_provider = self.service_provider

        mvpd = self.mvpd

        source = self.source.value

        authorized = self.authorized

        error: dict[str, Any] | Unset = UNSET
        if not isinstance(self.error, Unset):
            error = self.error.to_dict()

        token: dict[str, Any] | Unset = UNSET
        if not isinstance(self.token, Unset):
            token = self.token.to_dict()

        not_before = self.not_before

        not_after = self.not_after

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "resource": resource,
                "serviceProvider": service_provider,
                "mvpd": mvpd,
                "source": source,
                "authorized": authorized,
            }
        )
        if error is not UNSET:
            field_dict["error"] = error
        if token is not UNSET:
            field_dict["token"] = token
        if not_before is not UNSET:
            field_dict["notBefore"] = not_before
        if not_after is not UNSET:
            field_dict["notAfter"] = not_after

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.enhanced_error import EnhancedError
        from ..models.media_token import MediaToken

        d = dict(src_dict)
        resource = d.pop("resource")

        service_provider = d.pop("serviceProvider")

        mvpd = d.pop("mvpd")

        source = DecisionSource(d.pop("source"))

        authorized = d.pop("authorized")

        _error = d.pop("error", UNSET)
        error: EnhancedError | Unset
        if isinstance(_error, Unset):
            error = UNSET
        else:
            error = EnhancedError.from_dict(_error)

        _token = d.pop("token", UNSET)
        token: MediaToken | Unset
        if isinstance(_token, Unset):
            token = UNSET
        else:
            token = MediaToken.from_dict(_token)

        not_before = d.pop("notBefore", UNSET)

        not_after = d.pop("notAfter", UNSET)

        decision = cls(
            resource=resource,
            service_provider=service_provider,
            mvpd=mvpd,
            source=source,
            authorized=authorized,
            error=error,
            token=token,
            not_before=not_before,
            not_after=not_after,
        )

        decision.additional_properties = d
        return decision

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
