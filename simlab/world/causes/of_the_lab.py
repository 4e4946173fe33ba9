"""The lab's own causes. They act in outages, and as blocked runs that never started."""

from __future__ import annotations

from simlab.world.causes.words import cause

CAUSES = (
    cause(
        "device_disconnected",
        "Device not connected",
        "driver.CloudDriver.command driver.CloudDriver.open",
        ("plain", "HANDSET_ERROR: device {hex} is not connected to its cradle"),
        ("appium", "org.openqa.selenium.WebDriverException: Cannot open device {hex}: HANDSET_ERROR cradle connection lost"),
        ("python", "selenium.common.exceptions.WebDriverException: Message: Device disconnected during command, cradle {n}"),
        ("plain", "Gerät {hex} hat die Verbindung zur Ladeschale verloren (HANDSET_ERROR)"),
        ("csharp", "OpenQA.Selenium.WebDriverException : Device connection was lost at cradle {n}"),
    ),
    cause(
        "device_in_error",
        "Device in error",
        "driver.CloudDriver.recover driver.CloudDriver.open",
        ("plain", "Device is in error state: screen agent did not answer {n} pings"),
        ("java", "com.perfecto.DeviceErrorException: screen agent crashed, device moved to ERROR ({hex})"),
        ("plain", "HANDSET_ERROR automation agent not responding on {hex}"),
        ("plain", "Gerätefehler: Agent antwortet nicht ({n} Versuche)"),
        ("javascript", "WebDriverError: device went to error, agent restart {n} failed"),
    ),
    cause(
        "site_network_down",
        "Device not available",
        "driver.CloudDriver.route driver.CloudDriver.open",
        ("plain", "No device was found: the site's gateway {ip} does not answer"),
        ("java", "org.openqa.selenium.remote.UnreachableBrowserException: Could not reach the device site through {ip}:{port}"),
        ("python", "urllib3.exceptions.NewConnectionError: gateway of the site refused the tunnel to the handset ({ip})"),
        ("plain", "Standort nicht erreichbar, Gateway {ip}"),
        ("javascript", "Error: connect EHOSTUNREACH site gateway {ip}:{port}"),
    ),
    cause(
        "site_power_cut",
        "Device not connected",
        "driver.CloudDriver.power driver.CloudDriver.open",
        ("plain", "Device not found: rack {n} reports no power"),
        ("appium", "org.openqa.selenium.WebDriverException: rack power unit {n} is off, handset cannot be opened"),
        ("plain", "Stromausfall im Gestell {n}, kein Gerät verfügbar"),
        ("plain", "ラック {n} の電源が落ちています"),
        ("csharp", "System.InvalidOperationException : rack {n} lost power"),
    ),
    cause(
        "hub_overloaded",
        "Device not available",
        "driver.HubClient.newSession driver.CloudDriver.open",
        ("java", "org.openqa.selenium.SessionNotCreatedException: hub queue is full, request {uuid} dropped"),
        ("plain", "The cloud's hub did not hand out a session within {seconds} seconds"),
        ("python", "selenium.common.exceptions.SessionNotCreatedException: Message: hub rejected the request, {n} waiting"),
        ("plain", "Le hub n'a pas ouvert de session ({n} en attente)"),
        ("javascript", "SessionNotCreatedError: hub said try later ({uuid})"),
    ),
    cause(
        "device_in_use",
        "Device in use",
        "driver.CloudDriver.allocate driver.CloudDriver.open",
        ("plain", "Device {hex} is already in use by {person}"),
        ("java", "com.perfecto.AllocationException: handset {hex} already in use"),
        ("plain", "Das Gerät wird bereits von {person} benutzt"),
        ("plain", "failed to allocate: already in use, user {person}@example.com"),
        ("python", "perfecto.AllocationError: device of {person} already in use"),
    ),
    cause(
        "device_not_found",
        "Device not found",
        "driver.CloudDriver.select driver.CloudDriver.open",
        ("plain", "Device not found for the given capabilities ({n} criteria)"),
        ("java", "com.perfecto.SelectionException: no handset matches model '{product}'"),
        ("plain", "Kein Gerät passt zu den {n} Kriterien"),
        ("javascript", "SelectionError: capabilities match no device (osVersion {n})"),
        ("plain", "条件に一致するデバイスがありません ({n})"),
    ),
    cause(
        "install_failed",
        "Install app failure",
        "driver.AppManager.install driver.CloudDriver.prepare",
        ("plain", "Install app failure: INSTALL_FAILED_INSUFFICIENT_STORAGE for build {big}"),
        ("java", "com.perfecto.InstallException: package {stage} could not be installed, storage left {n} MB"),
        ("plain", "App konnte nicht installiert werden: Speicher voll ({n} MB)"),
        ("xcuitest", "Failed to install the app of {stage}: not enough space"),
        ("python", "perfecto.InstallError: cannot install {stage} build {big}"),
    ),
    cause(
        "licenses_used_up",
        "All licenses in use",
        "driver.HubClient.license driver.CloudDriver.open",
        ("plain", "All licenses in use: {n} of {n} sessions are open"),
        ("java", "com.perfecto.LicenseException: no free licence for {person}"),
        ("plain", "Alle Lizenzen sind vergeben ({n})"),
        ("plain", "Toutes les licences sont utilisées ({n})"),
        ("javascript", "LicenseError: parallel session limit {n} reached"),
    ),
)  # fmt: skip
DEVICE_OUTAGES = ("device_disconnected", "device_in_error")
LOCATION_OUTAGES = ("site_network_down", "site_power_cut")
CONNECTION_OUTAGES = ("hub_overloaded",)
SINGLE_BLOCKS = ("device_in_use", "device_not_found", "install_failed", "licenses_used_up")
