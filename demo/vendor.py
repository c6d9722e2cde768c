"""The example vendor's files, moved to today.

The files hold plain dates, so that `entitlements apply -f examples/catalogue.yaml` works as it stands; their reference date tells from
which day they are seen. Moving every instant by whole days keeps the time of day and every distance between two instants.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from control.cli.catalogue_file import read_catalogue

FILES: Final = ("catalogue.yaml", "customers.yaml")
PRODUCTS: Final = ("boards", "relate", "desk")
_REFERENCE: Final = re.compile(r"^# reference date: (\d{4}-\d{2}-\d{2})$", re.MULTILINE)
_INSTANT: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")


@dataclass(frozen=True, slots=True)
class Tally:
    """How much the vendor's files describe."""

    products: int
    plans: int
    features: int
    customers: int


def examples_folder() -> Path:
    """Return where the files lie: beside the packages in a checkout, inside this package when installed."""
    here = Path(__file__).resolve().parent
    return next(folder for folder in (here.parent / "examples", here / "examples") if (folder / FILES[0]).exists())


def write_files(folder: Path, today: date | None = None) -> list[Path]:
    """Write the vendor's files into a folder with every instant moved to today; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in FILES:
        text = (examples_folder() / name).read_text(encoding="utf-8")
        path = folder / name
        path.write_text(moved(text, today or datetime.now(UTC).date()), encoding="utf-8")
        written.append(path)
    return written


def moved(text: str, today: date) -> str:
    """Return the text of a file with every instant moved by the days since its reference date; ValueError without one."""
    found = _REFERENCE.search(text)
    if found is None:
        raise ValueError("the file names no reference date; write a line such as `# reference date: 2026-11-24`")
    days = today - date.fromisoformat(found.group(1))

    def move(match: re.Match[str]) -> str:
        return (datetime.fromisoformat(match.group()) + days).strftime("%Y-%m-%dT%H:%M:%SZ")

    return _INSTANT.sub(move, text).replace(found.group(), f"# reference date: {today.isoformat()}")


def read_document(paths: list[Path]) -> dict[str, Any]:
    """Read catalogue files into the one document that REST takes; CatalogueFileError names every mistake."""
    return read_catalogue(paths).value


def tally(document: dict[str, Any]) -> Tally:
    """Count what a document describes; versions of one plan count once, add-ons do not."""
    products = document["products"]
    return Tally(
        products=len(products),
        plans=len({plan["key"] for product in products for plan in product["plans"]}),
        features=sum(len(product["features"]) for product in products),
        customers=len(document["customers"]),
    )


def instant(moment: datetime) -> str:
    """Return an instant as the files write it, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def soon(seconds: float) -> datetime:
    """Return the instant so many seconds from now, on a whole millisecond."""
    moment = datetime.now(UTC) + timedelta(seconds=seconds)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


LADDERS: Final = {
    "data-export": "allow",
    "report-exports": "deny",
    "automation-editor": "read_only",
    "reports": "last_value",
}
"""Features of Fernhill Boards whose ladders the story walks down, with what each does at its end."""


def with_short_ladders(document: dict[str, Any], fresh_s: float, stale_s: float) -> dict[str, Any]:
    """Return the document with those ladders shortened from hours to seconds, so that nobody has to wait for the story's end.

    What each does at its end stays as the vendor wrote it.
    """
    products = []
    for product in document["products"]:
        features = []
        for feature in product["features"]:
            if product["key"] == PRODUCTS[0] and feature["key"] in LADDERS:
                short = {"fresh_for": f"{round(fresh_s * 1000)}ms", "stale_ok_for": f"{round(stale_s * 1000)}ms"}
                feature = {**feature, "ladder": {**product["ladder"], **feature.get("ladder", {}), **short}}  # noqa: PLW2901
            features.append(feature)
        products.append({**product, "features": features})
    return {**document, "products": products}
