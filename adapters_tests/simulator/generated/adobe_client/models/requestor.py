from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.domain import Domain
    from ..models.mvpd import Mvpd


T = TypeVar("T", bound="Requestor")


@_attrs_define
class Requestor:
    """
    Attributes:
        id (str):
        name (str):
        domains (list[Domain]):
        mvpds (list[Mvpd]):
    """

    id: str
    name: str
    domains: list[Domain]
    mvpds: list[Mvpd]
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        id = self.id

        name = self.name

        domains = []
        for domains_item_data in self.domains:
            domains_item = domains_item_data.to_dict()
            domains.append(domains_item)

        mvpds = []
        for mvpds_item_data in self.mvpds:
            mvpds_item = mvpds_item_data.to_dict()
            mvpds.append(mvpds_item)

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "id": id,
                "name": name,
                "domains": domains,
                "mvpds": mvpds,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.domain import Domain
        from ..models.mvpd import Mvpd

        d = dict(src_dict)
        id = d.pop("id")

        name = d.pop("name")

        domains = []
        _domains = d.pop("domains")
        for domains_item_data in _domains:
            domains_item = Domain.from_dict(domains_item_data)

            domains.append(domains_item)

        mvpds = []
        _mvpds = d.pop("mvpds")
        for mvpds_item_data in _mvpds:
            mvpds_item = Mvpd.from_dict(mvpds_item_data)

            mvpds.append(mvpds_item)

        requestor = cls(
            id=id,
            name=name,
            domains=domains,
            mvpds=mvpds,
        )

        requestor.additional_properties = d
        return requestor

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
