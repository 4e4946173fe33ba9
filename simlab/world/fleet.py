"""The devices of one Perfecto cloud: what they are on a day, and when they are out of reach by plan or habit.

A farm is 24 devices; a denser world has more farms of the same make, each with identities of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from simlab.world.model import Device
from simlab.world.randomness import HOUR, fraction, hex_digits, midnight

BOSTON, FRANKFURT, TOKYO, US_EAST = "NA-US-BOS", "EU-DE-FRA", "AP-JP-TYO", "US East"

# device type, manufacturer, model, os, first os version, resolution, location, form of the id, browser, its version
_MAKES = (
    ("MOBILE", "Samsung", "Galaxy S8+", "ANDROID", "9", "1440x2960", BOSTON, 16, None, None),
    ("MOBILE", "Samsung", "Galaxy S21", "ANDROID", "12", "1080x2400", BOSTON, 8, None, None),
    ("MOBILE", "Samsung", "Galaxy S22 Ultra", "ANDROID", "13", "1440x3088", FRANKFURT, 16, None, None),
    ("MOBILE", "Samsung", "Galaxy Tab S7", "ANDROID", "12", "1600x2560", FRANKFURT, 18, None, None),
    ("MOBILE", "Google", "Pixel 6", "ANDROID", "12", "1080x2400", BOSTON, 8, None, None),
    ("MOBILE", "Google", "Pixel 7 Pro", "ANDROID", "13", "1440x3120", TOKYO, 16, None, None),
    ("MOBILE", "Motorola", "Moto G Power", "ANDROID", "11", "1080x2300", TOKYO, 10, None, None),
    ("MOBILE", "OnePlus", "OnePlus 9", "ANDROID", "12", "1080x2400", FRANKFURT, 8, None, None),
    ("MOBILE", "Xiaomi", "Redmi Note 11", "ANDROID", "11", "1080x2400", TOKYO, 16, None, None),
    ("MOBILE", "Apple", "iPhone-8 Plus", "IOS", "15", "1080x1920", BOSTON, 40, None, None),
    ("MOBILE", "Apple", "iPhone-12", "IOS", "16", "1170x2532", BOSTON, 25, None, None),
    ("MOBILE", "Apple", "iPhone-13 Pro", "IOS", "16", "1170x2532", FRANKFURT, 25, None, None),
    ("MOBILE", "Apple", "iPhone-14", "IOS", "16", "1170x2532", TOKYO, 25, None, None),
    ("MOBILE", "Apple", "iPad Air", "IOS", "15", "2048x1536", FRANKFURT, 40, None, None),
    ("MOBILE", "Apple", "iPad Pro", "IOS", "16", "2732x2048", TOKYO, 25, None, None),
    ("SIMULATOR", "Apple", "iPhone-14 Simulator", "IOS", "16", "1170x2532", US_EAST, 36, None, None),
    ("SIMULATOR", "Apple", "iPhone-SE Simulator", "IOS", "15", "750x1334", US_EAST, 36, None, None),
    ("SIMULATOR", "Google", "Pixel 5 Emulator", "ANDROID", "12", "1080x2340", US_EAST, 13, None, None),
    ("DESKTOP", "", "", "WINDOWS", "10", "1920x1080", US_EAST, 1, "CHROME", "latest"),
    ("DESKTOP", "", "", "WINDOWS", "11", "1366x768", US_EAST, 1, "CHROME", "latest-1"),
    ("DESKTOP", "", "", "WINDOWS", "10", "1920x1080", US_EAST, 1, "MICROSOFT_EDGE", "latest"),
    ("DESKTOP", "", "", "WINDOWS", "11", "1280x1024", US_EAST, 1, "MICROSOFT_EDGE", "104"),
    ("DESKTOP", "", "", "MAC", "Monterey", "1024x768", US_EAST, 1, "SAFARI", "15"),
    ("DESKTOP", "", "", "MAC", "Ventura", "1920x1080", US_EAST, 1, "SAFARI", "16"),
)
FARM_SIZE = len(_MAKES)
PHONES = 15  # the first ones: phones and tablets, before simulators and desktops
_UPGRADE_EVERY_DAYS = 45  # a phone gets the next minor version of its system; the day differs by phone
_MOVING_DEVICE = 7  # travels between two locations
_MOVE_EVERY_DAYS = 40
_LOOSE_CABLES = (6, 14)  # devices that drop off in some nights
_TEAMS = ("Checkout squad", "Payments, on loan", "", "Release train", "Nightly pool", "")


@dataclass(frozen=True, slots=True)
class Unavailable:
    """A stretch of a day in which a device cannot be used, without being an outage: no run starts in it."""

    started_at: int
    ended_at: int
    state: str


def without_overlaps(stretches: list[Unavailable]) -> list[Unavailable]:
    """The same stretches by start, each cut to begin where the ones before it end."""
    found: list[Unavailable] = []
    reach = 0
    for stretch in sorted(stretches, key=lambda s: s.started_at):
        start = max(stretch.started_at, reach)
        if start < stretch.ended_at:
            found.append(Unavailable(start, stretch.ended_at, stretch.state))
            reach = stretch.ended_at
    return found


def _device_id(form: int, *key: int | str) -> str:
    digits = hex_digits(40, "device", *key)
    farm = key[2]
    if farm and form < 16:  # the short forms would collide in a dense world
        return digits[:16].upper()
    number = int(digits[:6], 16)
    return {
        10: f"#{number % 10_000:04d}DEB31",
        13: f"emulator-{5554 + number % 2000}",
        25: f"00008{number % 1000:03d}-000C{digits[:12].upper()}",
        36: f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:32]}".upper(),
        1: f"WF-CG{number % 90 + 10}-{number % 7}-{number % 4}-VIRTUAL.{number % 97:02d}",
    }.get(form, digits[:form].upper())


class Fleet:
    """The 24 devices of one farm."""

    def __init__(self, seed: int, connection: str, farm: int) -> None:
        self._key = (seed, connection, farm)
        self._base = [self._make(index) for index in range(FARM_SIZE)]
        self._versions: dict[tuple[int, int, bool], Device] = {}
        self.variants = [f"{d.device_type}|{d.os}|{d.browser_type or ''}" for d in self._base]
        self.device_ids = [d.device_id for d in self._base]
        self._index = {device_id: index for index, device_id in enumerate(self.device_ids)}

    def _make(self, index: int) -> Device:
        kind, maker, model, system, version, resolution, location, form, browser, browser_version = _MAKES[
            index
        ]
        digits = str(int(hex_digits(16, "numbers", *self._key, index), 16)).zfill(20)
        is_phone = kind == "MOBILE"
        mac = hex_digits(12, "mac", *self._key, index)
        return Device(
            device_id=_device_id(form, *self._key, index),
            device_type=kind,
            manufacturer=maker,
            model=model,
            os=system,
            os_version=version,
            resolution=resolution,
            location=location,
            description=_TEAMS[index % len(_TEAMS)],
            firmware=f"{hex_digits(6, 'build', *self._key, index).upper()}.{version}" if is_phone else "",
            operator="Lab Mobile" if is_phone and index % 3 else "",
            operator_country="United States of America" if is_phone and index % 3 else "",
            imei="35" + digits[:13] if is_phone else "",
            imsi="31026" + digits[3:13] if is_phone and index % 4 == 0 else "",
            phone_number=("", "+1-781-555-0{}", "+1(781) 555-0{}", "+17815550{}")[index % 4].format(
                digits[-3:]
            )
            if is_phone
            else "",
            wifi_mac_address=":".join(mac[i : i + 2] for i in range(0, 12, 2)) if is_phone else "",
            browser_type=browser,
            browser_version=browser_version,
        )

    def index(self, device_id: str) -> int | None:
        return self._index.get(device_id)

    def on(self, ordinal: int) -> list[Device]:
        """What each device is on a day: systems get upgraded, and one device travels."""
        return [self._version(index, ordinal) for index in range(FARM_SIZE)]

    def _version(self, index: int, ordinal: int) -> Device:
        upgrades = (ordinal + 11 * index) // _UPGRADE_EVERY_DAYS % 9 if index < PHONES else 0
        is_away = index == _MOVING_DEVICE and ordinal // _MOVE_EVERY_DAYS % 2 == 1
        key = (index, upgrades, is_away)
        if key not in self._versions:
            base = self._base[index]
            self._versions[key] = replace(
                base,
                os_version=f"{base.os_version}.{upgrades}" if upgrades else base.os_version,
                location=BOSTON if is_away else base.location,
            )
        return self._versions[key]

    def unavailable(self, index: int, ordinal: int) -> list[Unavailable]:
        """Maintenance every other week, and the nights in which a loose cable loses a device."""
        start, found = midnight(ordinal), []
        if index in _LOOSE_CABLES and fraction("cable", *self._key, index, ordinal) < 0.4:
            found.append(Unavailable(start, start + 2 * HOUR, "NOT_CONNECTED"))
        if ordinal % 14 == (index * 5) % 14:
            begin = start + (2 + index % 3) * HOUR
            found.append(Unavailable(begin, begin + 2 * HOUR, "MAINTENANCE"))
        return found
