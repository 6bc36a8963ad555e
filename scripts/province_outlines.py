"""Write conf/geo/provinces.geo from a TopoJSON of the 38 provinces: SVG paths in plain degrees.

    .venv/bin/python -m scripts.province_outlines <indonesia-38-provinces.topo.json>

Indonesia lies on the equator: a degree of longitude is at most 2 % shorter than one of latitude.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from conf.settings import REPO
from lakehouse.reference import matching_key as key_of
from lakehouse.reference import provinces, region_aliases

TARGET = REPO / "conf" / "geo" / "provinces.geo"
WIDTH = 1000.0
WEST, EAST = 94.8, 141.2
NORTH, SOUTH = 6.4, -11.3
SCALE = WIDTH / (EAST - WEST)
LEAST_STEP = 0.7  # units of the drawing, about 3.6 km: shorter steps are left out
Points = npt.NDArray[np.float64]  # (points, 2)
Point = tuple[float, float]


def arcs_of(topology: dict[str, Any]) -> list[Points]:
    """The arcs as (longitude, latitude); they are stored as scaled differences."""
    scale, shift = (np.array(topology["transform"][name]) for name in ("scale", "translate"))
    return [np.cumsum(steps, axis=0) * scale + shift for steps in topology["arcs"]]


def drawn_ring(numbers: list[int], arcs: list[Points]) -> Points:
    """The points of a ring in units of the drawing; a negative number is an arc in reverse."""
    parts = [arcs[number] if number >= 0 else arcs[~number][::-1] for number in numbers]
    ring = np.concatenate([parts[0], *(part[1:] for part in parts[1:])])
    return (ring - (WEST, NORTH)) * (SCALE, -SCALE)


def area(points: Points) -> float:
    """The area inside a ring (shoelace formula)."""
    before = np.roll(points, 1, axis=0)
    return abs(float((points[:, 0] * before[:, 1] - before[:, 0] * points[:, 1]).sum())) / 2


def simplified(points: Points) -> list[Point]:
    """The points at least LEAST_STEP apart; a small island keeps four."""
    listed: list[Point] = points.tolist()
    kept = listed[:1]
    for x, y in listed[1:]:
        if abs(x - kept[-1][0]) + abs(y - kept[-1][1]) >= LEAST_STEP:
            kept.append((x, y))
    return kept if len(kept) > 2 else listed[:4]


def outline(geometry: dict[str, Any], arcs: list[Points]) -> dict[str, Any]:
    """Code, name, path and centre of the largest island. Raises KeyError for an unknown name."""
    code = region_aliases()[key_of(geometry["properties"]["PROVINSI"])]
    polygons = geometry["arcs"] if geometry["type"] == "MultiPolygon" else [geometry["arcs"]]
    rings = [drawn_ring(numbers, arcs) for polygon in polygons for numbers in polygon]
    largest = max(rings, key=area)
    path = "".join(
        "M" + "L".join(f"{round(x, 1):g} {round(y, 1):g}" for x, y in simplified(ring)) + "Z"
        for ring in rings
    )
    x, y = largest.mean(axis=0).round(1).tolist()
    return {"code": code, "name": provinces()[code].name, "d": path, "x": x, "y": y}


def main() -> None:
    """Read the file of the first argument and write the outlines, west to east."""
    topology = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    arcs = arcs_of(topology)
    geometries = next(iter(topology["objects"].values()))["geometries"]
    rows = sorted((outline(geometry, arcs) for geometry in geometries), key=lambda row: row["x"])
    missing = provinces().keys() - {row["code"] for row in rows}
    if missing:
        raise SystemExit(f"the file lacks the provinces {sorted(missing)}")
    body = {
        "west": WEST,
        "north": NORTH,
        "scale": SCALE,
        "width": WIDTH,
        "height": round((NORTH - SOUTH) * SCALE),
    }
    TARGET.write_text(json.dumps(body | {"provinces": rows}, separators=(",", ":")) + "\n", encoding="utf-8")
    print(f"{len(rows)} provinces, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
