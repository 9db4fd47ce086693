import re

from experiments.colors import run_color
from experiments.config import options


def test_every_variant_and_shade_has_a_colour_of_its_own():
    colors = {run_color(name, seed) for name in options("variant") for seed in range(3)}
    assert len(colors) == 3 * len(options("variant"))
    assert all(re.fullmatch("#[0-9a-f]{6}", color) for color in colors)


def test_a_colour_stays():
    assert run_color("standard", 0) == run_color("standard", 3) != run_color("peephole", 0)
    assert run_color("mine", 1) == run_color("mine", 1)
