"""Colours of runs in the MLflow UI, which else gives different variants the same one."""

import colorsys
import zlib
from pathlib import Path

VARIANTS = sorted(file.stem for file in (Path(__file__).resolve().parents[1] / "conf" / "variant").glob("*.yaml"))
GOLDEN_RATIO = 0.618034  # steps of this share of the circle keep any number of hues apart


def run_color(variant: str, seed: int) -> str:
    """A hue for the variant and one of three shades for the seed, as `#rrggbb`."""
    number = VARIANTS.index(variant) if variant in VARIANTS else zlib.crc32(variant.encode())
    red, green, blue = colorsys.hsv_to_rgb(number * GOLDEN_RATIO % 1, 0.75, (0.8, 0.6, 0.95)[seed % 3])
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"
