"""The roads out of a node: one courier a destination, and what the board says of them."""

import ssl
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from central_sync.courier import Courier
from central_sync.seal import NodeKey
from central_sync.witness import Witness
from edge.desk import Desk
from edge.settings import Registry, SettingsError, SiteFile

CONNECT_S, EXCHANGE_S = 5.0, 60.0


def ends_of(site: SiteFile) -> tuple[Registry, ...]:
    """Every registry that gets this node's records, the own centre first."""
    return (*([site.registry] if site.registry else []), *site.destinations)


def names_of(site: SiteFile) -> tuple[str, ...]:
    """Names under which receipts are kept: all that must settle before anything may go."""
    return (*(end.name for end in ends_of(site)), *([site.bundles.name] if site.bundles else []))


def client_of(end: Registry) -> httpx.AsyncClient:
    """HTTP client of one registry. Raises SettingsError when its authority's file cannot be used."""
    timeout = httpx.Timeout(EXCHANGE_S, connect=CONNECT_S)
    try:
        verify = ssl.create_default_context(cafile=end.ca_file) if end.ca_file else True
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"{end.name}: ca_file = {end.ca_file} holds no certificate that can be used: {error}"
        ) from error
    return httpx.AsyncClient(base_url=end.url, timeout=timeout, verify=verify)


def courier_to(end: Registry, desk: Desk, key: NodeKey, client: httpx.AsyncClient) -> Courier:
    """The courier to one registry."""
    site = desk.site
    return Courier(
        site=site.site.id,
        node=site.node.name,
        journal=desk.journal,
        photos=desk.photos,
        signer=key,
        client=client,
        destination=end.name,
        registry_key=end.key,
        simulated=site.site.simulated,
        told=lambda _: desk.ring(),
    )


def witness_at(end: Registry, desk: Desk, key: NodeKey, client: httpx.AsyncClient) -> Witness:
    """Whoever has the node's chain cosigned each day by the own centre."""
    site = desk.site
    return Witness(
        site=site.site.id,
        node=site.node.name,
        journal=desk.journal,
        signer=key,
        client=client,
        destination=end.name,
        registry_key=end.key,
        zone=site.site.timezone,
        alarm=desk.alarm,
        calm=desk.calm,
    )


class Links:
    """The board's words for all roads; those of the first destination stand for the node."""

    def __init__(self, couriers: Mapping[str, Courier]) -> None:
        self._couriers = couriers

    @property
    def link(self) -> str:
        """``none`` without destinations, ``down`` while any of them cannot be reached."""
        links = {courier.progress.link for courier in self._couriers.values()}
        return "none" if not links else "down" if "down" in links else "ok"

    @property
    def accepted_through(self) -> int:
        """How far the first destination has settled."""
        return next((each.progress.accepted_through for each in self._couriers.values()), 0)

    @property
    def alarms(self) -> list[dict[str, str]]:
        """Alarms of all roads."""
        return [
            {"at": alarm.at.isoformat(), "zh": alarm.zh, "en": alarm.en}
            for courier in self._couriers.values()
            for alarm in courier.progress.alarms.values()
        ]

    @property
    def destinations(self) -> Sequence[dict[str, Any]]:
        """Each destination: name, link, how far it has settled, photos it still wants."""
        return [
            {
                "destination": name,
                "link": courier.progress.link,
                "sent_through": courier.progress.accepted_through,
                "photos_wanted": courier.progress.photos_wanted,
            }
            for name, courier in self._couriers.items()
        ]
