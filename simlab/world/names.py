"""Invented names: of people, tests, tags and accounts. None belongs to a real person or product."""

from __future__ import annotations

PEOPLE = tuple(
    f"{name}@example.com"
    for name in (
        "amelia.hart", "bruno.keller", "chiara.conti", "dmitri.orlov", "esther.owusu", "farouk.haddad",
        "greta.lind", "hiroshi.mori", "ingrid.dahl", "joaquin.ruiz", "kavya.rao", "liam.oconnor",
    )
)  # fmt: skip
MANUAL_SESSION_NAME = "Interactive session"  # the vendor's own
CI_ACCOUNT = "ci-bot@example.com"
TAGS = (
    "smoke", "regression", "checkout", "payments", "login", "slow", "nightly", "team:orca", "team:heron",
    "team:lynx", "p1", "p2", "5f0c0a52-8f8e-4c9e-9a55-0d1b1f6b7c11", "Q3 release", "wifi",
)  # fmt: skip
RENAMES = (
    "(guest)", "(member)", "(tablet)", "(express)", "(classic)", "(new layout)", "(one tap)", "(gift)",
    "(pickup)", "(returning)", "(first order)", "(family)", "(student)",
)  # fmt: skip
NO_PROJECT_NAMES = ("heartbeat of the pool", "measure app start", "wifi roaming probe", "screenshot tour")

# Names that break naive code: separators, quotes, wildcards, markup, other scripts, more than 100 characters.
_ODD = {
    "shop": (
        'Search "tea set" with <b>quotes</b> & ampersand',
        "Cart/Checkout: total? 100% * sure | pipe > arrow",
        "Gutschein einlösen: ÄÖÜß, 'einfach' und “typografisch”",
        "As a returning customer with an old address book I can change the delivery address of an order that was "
        "placed yesterday, and the confirmation mail shows the new one",
        "Chat between two phones",
        "Send a gift card between two phones",
    ),
    "bank": (
        "Überweisung: Betrag > 0 und < 10.000 €",
        "C:\\lab\\bank\\login.feature:12",
        "送金の確認画面が表示される",
        "Login works",
    ),
    "travel": ("Login works", "seat map; drop table seats; --", "Vol Paris → Tōkyō"),
    "portal": ("Login works", "portal/reports?range=last week&team='all'"),
}
_SUBJECTS = {
    "shop": ("Checkout", "Cart", "Product page", "Wishlist", "Search", "Order history", "Coupon"),
    "bank": ("Transfer", "Standing order", "Card lock", "Statement", "Login", "Limit change", "Savings goal"),
    "travel": ("Flight search", "Seat choice", "Boarding pass", "Hotel filter", "Trip list", "Refund"),
    "portal": ("Report", "User table", "Permission editor", "Upload", "Dashboard"),
}
_BEHAVIOURS = (
    "opens from the home screen",
    "survives rotation",
    "works without network",
    "keeps its state after relaunch",
    "shows the right amount",
    "can be cancelled",
)


def test_names(area: str, count: int) -> list[str]:
    """`count` different names; two projects may share one."""
    plain = [f"{subject} {behaviour}" for behaviour in _BEHAVIOURS for subject in _SUBJECTS[area]]
    return [*_ODD[area], *plain][:count]
