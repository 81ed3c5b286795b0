"""How far apart two places are."""

import polars as pl
from pydantic import Field

from engine.plugin import Transformer
from plugins.transformers._pairs import numbers

_RADIUS = 6371.0088
"""The mean radius of the Earth, in km (IUGG)."""


class GeoDistance(Transformer):
    """Add the distance between two places on the Earth, in km along the surface (Float64).

    It is the great-circle distance on a sphere of radius 6371.0088 km, by the haversine formula (Sinnott, Virtues of the
    Haversine, 1984): within 0.6 % of that on the ellipsoid. Missing where a coordinate is missing, or is none: a latitude
    beyond 90 degrees, a longitude beyond 360, NaN.
    """

    from_: tuple[str, str] = Field(description="The columns of the first place: latitude and longitude, in degrees.")
    to: tuple[float, float] | tuple[str, str] = Field(
        description="The columns of the second place: latitude and longitude, in degrees; or two numbers for a place that is "
        "the same in all rows."
    )
    into: str = Field(description="The name of the new column; one of this name is replaced.")

    def apply(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        numbers(frame, *self.from_, *(part for part in self.to if isinstance(part, str)))
        (north, east), (north_to, east_to) = _radians(self.from_), _radians(self.to)
        across = north.cos() * north_to.cos() * ((east_to - east) / 2).sin().pow(2)
        haversine = ((north_to - north) / 2).sin().pow(2) + across
        distance = haversine.clip(0, 1).sqrt().arcsin() * (2 * _RADIUS)
        return frame.with_columns(distance.alias(self.into))


def _radians(place: tuple[str, str] | tuple[float, float]) -> tuple[pl.Expr, pl.Expr]:
    """Return latitude and longitude in radians, null where they are none."""
    latitude, longitude = ((pl.col(p) if isinstance(p, str) else pl.lit(p)).cast(pl.Float64) for p in place)
    there = (latitude.abs() <= 90) & (longitude.abs() <= 360)
    return pl.when(there).then(latitude.radians()), pl.when(there).then(longitude.radians())
