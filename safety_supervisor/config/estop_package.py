"""Where a third party's e-stop driver comes from: exactly the distribution that the configuration names."""

from __future__ import annotations

from importlib.metadata import EntryPoint, PackageNotFoundError, distribution
from typing import Final

GROUP: Final = "safety_supervisor.estop_drivers"


class DriverMissing(LookupError):
    """The driver is not installed.

    Attributes:
        path: key of the configuration that names what is missing.
        seen: what was looked for, and what there is.
        cure: what to do.
    """

    def __init__(self, path: str, seen: str, cure: str) -> None:
        """Keep the three."""
        super().__init__(f"{path}: {seen}")
        self.path, self.seen, self.cure = path, seen, cure


def find_driver(name: str, package: str | None) -> EntryPoint:
    """Return the entry point of a driver, without importing anything.

    Args:
        name: of the entry point.
        package: distribution that it must come from. One of the same name in another distribution is not looked at.

    Raises:
        DriverMissing: the distribution is not installed, or offers no such driver.
    """
    if package is None:
        raise DriverMissing("estop.driver", f"is {name}, which is no driver of this product",
                            "Name the third party's distribution in `estop.package`.")  # fmt: skip
    try:
        points = distribution(package).entry_points
    except (PackageNotFoundError, ValueError):
        raise DriverMissing("estop.package", f"is {package}, which is not installed",
                            "Install it beside the supervisor, or correct its name.") from None  # fmt: skip
    offered = {point.name: point for point in points if point.group == GROUP}
    if name not in offered:
        names = ", ".join(sorted(offered)) or "no driver"
        raise DriverMissing("estop.driver", f"is {name}; {package} offers {names}",
                            f"Correct the name; the entry point's group is {GROUP}.")  # fmt: skip
    return offered[name]
