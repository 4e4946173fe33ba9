"""Whether what is published is left behind by the lake."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pipelines.defs.warehouse.folders import Folders
from pipelines.lib import landings
from pipelines.settings import SWEPT_DAYS, Settings

BUILDS_MISSED = 3


@dataclass(frozen=True)
class Published:
    at: datetime | None  # none where nothing is published yet
    behind_since: datetime | None  # when the lake changed, if builds enough could have come since


def published(settings: Settings, now: datetime) -> Published:
    file = Folders(settings.home).published
    at = datetime.fromtimestamp(file.stat().st_mtime, UTC) if file.exists() else None
    since = at or now - timedelta(days=SWEPT_DAYS)
    query = "select min(started_at) from landings where is_rewritten and started_at > $since"
    newer = landings.rows(settings.lake, since.date(), query, {"since": since})
    changed_at = newer[0][0].astimezone(UTC) if newer and newer[0][0] else None
    limit = BUILDS_MISSED * timedelta(minutes=settings.build_every_minutes)
    return Published(at, changed_at if changed_at and now - changed_at > limit else None)
