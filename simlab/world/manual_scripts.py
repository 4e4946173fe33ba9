"""What an Enterprise Tester server holds before anything is run: projects, nested packages, assigned scripts."""

from __future__ import annotations

from dataclasses import dataclass

from simlab.world.causes import MANUAL_CAUSES
from simlab.world.model import Assignment, Package, Project
from simlab.world.names import PEOPLE
from simlab.world.randomness import guid, stream

_PROJECTS = (
    (
        "Shop",
        "shop",
        8,
        5,
        ("Release 4", "Release 4/Checkout", "Release 4/Checkout/Gifts", "Release 4/Back office"),
    ),
    ("Branch terminals", "branch-terminals", 7, 4, ("Round 2", "Round 2/Cash", "Round 2/Printing")),
)
_SCRIPTS = (
    "Print the invoice", "Refund an order", "Count the stock", "Confirm by mail", "Open the till", "Close the till",
    "Change the paper roll", "Gift wrapping", "Return without receipt", "Split a payment", "Move to another desk",
    "Age check", "Loyalty points", "Price label", "Cash drawer", "Weekly report", "Sign on the pad",
    "Night deposit", "Foreign coins", "Scan a damaged code",
)  # fmt: skip
SHARED_SCRIPT = "Smoke check"  # in two packages of the same project
_NEVER_RUN = 5  # of each project's assignments
# Chances to fail that the assignments get in turn; most never fail.
_RATES = (0.0, 0.0, 0.3, 0.0, 1.0, 0.0, 0.08, 0.0, 0.0, 0.15, 0.0)
_FREQUENCIES = (3.0, 1.0, 2.0, 0.5, 3.0, 0.3, 1.0, 0.2)


@dataclass(frozen=True, slots=True)
class ManualTest:
    """An assignment as it truly is. A frequency of 0: it was never run."""

    assignment: Assignment
    package_name: str
    project: Project
    rate: float
    cause_id: str
    frequency: float
    version: int
    minutes: float


class ManualCatalogue:
    def __init__(self, seed: int, connection: str) -> None:
        self.projects: list[Project] = []
        self.packages: list[Package] = []
        self.tests: list[ManualTest] = []
        for name, slug, hours, days, paths in _PROJECTS:
            project = Project(
                guid("project", seed, connection, slug), name, guid("organisation", seed), slug, hours, days
            )
            self.projects.append(project)
            leaves = self._add_packages(seed, project, paths)
            self._add_tests(seed, project, leaves)

    def _add_packages(self, seed: int, project: Project, paths: tuple[str, ...]) -> list[Package]:
        made: dict[str, Package] = {}
        for order, path in enumerate(paths):
            parent, _, name = path.rpartition("/")
            made[path] = Package(
                id=guid("package", seed, project.slug, path),
                project_id=project.id,
                parent_id=made[parent].id if parent else None,
                name=name,
                order_number=order,
            )
        self.packages += made.values()
        return [package for path, package in made.items() if "/" in path]

    def _add_tests(self, seed: int, project: Project, packages: list[Package]) -> None:
        rng = stream("manual tests", seed, project.slug)
        names = [*_SCRIPTS[:18], SHARED_SCRIPT, SHARED_SCRIPT]
        for index, name in enumerate(names):
            package = packages[index % len(packages)]
            person = PEOPLE[int(rng.random() * len(PEOPLE))]
            script = guid("script", seed, project.slug, name, package.name)
            self.tests.append(
                ManualTest(
                    assignment=Assignment(
                        id=guid("assignment", seed, project.slug, index),
                        script_id=script,
                        name=name,
                        project_id=project.id,
                        package_id=package.id,
                        assigned_to=person.split("@")[0].replace(".", " ").title(),
                        assigned_to_id=guid("person", person),
                    ),
                    package_name=package.name,
                    project=project,
                    rate=_RATES[index % len(_RATES)],
                    cause_id=MANUAL_CAUSES[int(rng.random() * len(MANUAL_CAUSES))],
                    frequency=0.0
                    if index in range(8, 8 + _NEVER_RUN)
                    else _FREQUENCIES[index % len(_FREQUENCIES)],
                    version=1 + int(rng.random() * 4),
                    minutes=2 + 28 * rng.random(),
                )
            )
