"""Known conversions of units: maps by which a number can have been changed on its way.

In: nothing. Out: `CONVERSIONS`. Never: a guess at what a feature measures.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from monitor.events import Float64


@dataclass(frozen=True, slots=True)
class Conversion:
    """`after = factor * before + offset`."""

    words: str
    """What has become what."""
    factor: float
    offset: float = 0.0

    def formula(self) -> str:
        """The map as people write it.

        >>> Conversion("Fahrenheit has become Celsius", 5 / 9, -160 / 9).formula()
        '0.5556 x before - 17.78'
        """
        text = f"{self.factor:.4g} x before"
        if self.offset:
            text += f" {'-' if self.offset < 0 else '+'} {abs(self.offset):.4g}"
        return text


_SCALES: Final = (
    ("euros", "cents (times 100, or per cent)", 100.0),
    ("thousands", "ones (times 1000, as kilo to plain)", 1000.0),
    ("miles", "kilometres", 1.609344),
    ("nautical miles", "kilometres", 1.852),
    ("knots", "m/s", 0.514444),
    ("mph", "m/s", 0.44704),
    ("knots", "mph", 1.150779),
    ("m/s", "km/h", 3.6),
    ("metres", "feet", 3.28084),
    ("yards", "metres", 0.9144),
    ("inches", "centimetres", 2.54),
    ("inches", "millimetres", 25.4),
    ("kilograms", "pounds", 2.204623),
    ("ounces", "grams", 28.349523),
    ("litres", "gallons", 0.264172),
    ("inches of mercury", "hectopascals", 33.863886),
    ("hectopascals", "mm of mercury", 0.750062),
    ("psi", "hectopascals", 68.947573),
    ("millions", "ones", 1e6),
    ("tens", "ones", 10.0),
    ("minutes", "seconds (or hours, minutes)", 60.0),
    ("hours", "seconds", 3600.0),
    ("days", "hours", 24.0),
    ("weeks", "days", 7.0),
    ("kilobytes", "bytes (1,024)", 1024.0),
)
_AFFINE: Final = (
    Conversion("Fahrenheit has become Celsius", 5 / 9, -160 / 9),
    Conversion("Celsius has become Fahrenheit", 9 / 5, 32.0),
    Conversion("Celsius has become Kelvin", 1.0, 273.15),
    Conversion("Kelvin has become Celsius", 1.0, -273.15),
    Conversion("Fahrenheit has become Kelvin", 5 / 9, 273.15 - 160 / 9),
    Conversion("Kelvin has become Fahrenheit", 9 / 5, -459.67),
    Conversion("the sign has changed", -1.0),
)

CONVERSIONS: Final = (
    *_AFFINE,
    *(Conversion(f"{a} have become {b}", k) for a, b, k in _SCALES),
    *(Conversion(f"{b} have become {a}", 1 / k) for a, b, k in _SCALES),
)
"""The more specific first."""

FACTORS: Final[Float64] = np.array([c.factor for c in CONVERSIONS])
OFFSETS: Final[Float64] = np.array([c.offset for c in CONVERSIONS])
