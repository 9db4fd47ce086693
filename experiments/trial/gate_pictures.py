"""Pictures of the gates of a layer after an epoch, drawn when the trial has ended.

Until then their content is in files, so that a trial that was interrupted has the pictures of all its epochs.
They are drawn by Pillow, point by point: Matplotlib takes thirty times as long for such a picture.
"""

import json
import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from experiments.trial.gate_statistics import BINS, LayerStatistics

SIZE = (800, 450)
TOP, BOTTOM = 100, 396  # of every panel
PANELS = ((62, 268), (338, 520), (596, 780))  # left and right edges
INK, LINE, PAPER = (30, 30, 30), (205, 205, 205), (255, 255, 255)
GATES = {"input_gate": (0, 114, 178), "forget_gate": (213, 94, 0), "output_gate": (0, 140, 100)}

Content = Mapping[str, Any]
Point = tuple[float, float]


def save(folder: Path, epoch: int, layers: Mapping[str, LayerStatistics]) -> None:
    """Write the content of the pictures of an epoch to a folder."""
    folder.mkdir(exist_ok=True)
    (folder / f"{epoch}.json").write_text(json.dumps({name: _content(layer) for name, layer in layers.items()}))


def clear(folder: Path) -> None:
    """Remove the content of all pictures."""
    shutil.rmtree(folder, ignore_errors=True)


def pictures(folder: Path, title: str, most: int | None = None) -> Iterator[tuple[str, int, Image.Image]]:
    """Draw the pictures of a trial: the key of each, such as `gates/lstm_1`, its epoch, and the picture.

    Args:
        folder: Where `save` has written.
        title: Stands above each picture, beside layer and epoch.
        most: Pictures of a layer, at most, at least 2: the first, the last, and others evenly between them. None: all.
    """
    files = sorted(folder.glob("*.json"), key=lambda file: int(file.stem))
    if most is not None and len(files) > most:
        files = [files[round(number * (len(files) - 1) / (most - 1))] for number in range(most)]
    for file in files:
        for layer, content in json.loads(file.read_text()).items():
            picture = draw(f"{title}: {layer}, epoch {file.stem}", content)
            yield f"gates/{layer.replace(':', '.')}", int(file.stem), picture


def _content(layer: LayerStatistics) -> Content:
    gates = {}
    for name, gate in layer.gates.items():
        if gate.left is not None and gate.right is not None and gate.histogram is not None:
            curves = {"left": gate.left, "right": gate.right, "histogram": gate.histogram}
            gates[name] = {key: [round(float(value), 4) for value in values] for key, values in curves.items()}
    gradient = [float(f"{value:.3g}") if math.isfinite(value) else None for value in layer.gradient]
    return {"gates": gates, "gradient": gradient}


def draw(title: str, content: Content) -> Image.Image:
    """Draw one picture of 800 x 450 pixels.

    On the left each unit of each gate is a point, as in Karpathy, Johnson and Fei-Fei 2015 (figure 2): the fraction of
    steps at which it is right-saturated and left-saturated. In the middle stands how often the gates have which
    activation; on the right the norm of dLoss/dc by time step, in the order of reading.
    """
    image = Image.new("RGB", SIZE, PAPER)
    canvas = ImageDraw.Draw(image)
    canvas.text((16, 12), title, INK, _font(16))
    _legend(canvas, content["gates"])
    saturation = _Panel(canvas, 0, "saturation of each unit", "right-saturated", (0, 1), (0, 1))
    saturation.y_title("left-saturated")
    saturation.line([(0, 1), (1, 0)], LINE)
    highest = max((max(gate["histogram"]) for gate in content["gates"].values()), default=1.0)
    activations = _Panel(canvas, 1, "activations, by share", "from lower to upper end", (0, 1), (0, highest))
    for name, gate in content["gates"].items():
        for point in zip(gate["right"], gate["left"], strict=True):
            saturation.mark(point, name)
        activations.line(_steps(gate["histogram"]), GATES[name], 2)
        peak = max(range(BINS), key=gate["histogram"].__getitem__)
        activations.mark(((peak + 0.5) / BINS, gate["histogram"][peak]), name)
    _gradient(canvas, content["gradient"])
    return image


def _gradient(canvas: ImageDraw.ImageDraw, norms: Sequence[float | None]) -> None:
    logs = {step: math.log10(norm) for step, norm in enumerate(norms, 1) if norm}
    low, high = math.floor(min(logs.values(), default=-1)), math.ceil(max(logs.values(), default=0))
    high += low == high
    panel = _Panel(canvas, 2, "norm of dLoss/dc", "step", (1, max(len(norms), 2)), (low, high), "1e{:.0f}")
    panel.line(list(logs.items()), INK, 2)


def _legend(canvas: ImageDraw.ImageDraw, gates: Mapping[str, Any]) -> None:
    left = 20.0
    for name in gates:
        _mark(canvas, (left, 52), name)
        canvas.text((left + 10, 44), name.replace("_", " "), GATES[name], _font(13))
        left += 120
    if not gates:
        canvas.text((left - 4, 44), "no gate with a range", INK, _font(13))


class _Panel:
    """A pair of axes, with a title above and one below, and the ends of both ranges."""

    def __init__(
        self,
        canvas: ImageDraw.ImageDraw,
        number: int,
        title: str,
        x_title: str,
        x_range: Point,
        y_range: Point,
        y_form: str = "{:.2g}",
    ) -> None:
        self.canvas = canvas
        self.left, self.right = PANELS[number]
        self.x_range, self.y_range = x_range, y_range
        canvas.rectangle((self.left, TOP, self.right, BOTTOM), outline=LINE)
        canvas.text((self.left, TOP - 22), title, INK, _font(13))
        middle = (self.left + self.right) / 2
        canvas.text((middle, BOTTOM + 30), x_title, INK, _font(12), anchor="mm")
        for x, value in zip((self.left, self.right), x_range, strict=True):
            canvas.text((x, BOTTOM + 12), f"{value:g}", INK, _font(12), anchor="mm")
        for y, value in zip((BOTTOM, TOP), y_range, strict=True):
            canvas.text((self.left - 6, y), y_form.format(value), INK, _font(12), anchor="rm")

    def y_title(self, text: str) -> None:
        width = int(_font(12).getlength(text)) + 2
        label = Image.new("L", (width, 16))
        ImageDraw.Draw(label).text((1, 1), text, 255, _font(12))
        turned = label.rotate(90, expand=True)
        self.canvas.bitmap((self.left - 30, (TOP + BOTTOM - width) // 2), turned, INK)

    def place(self, point: Point) -> Point:
        (x_low, x_high), (y_low, y_high) = self.x_range, self.y_range
        x = self.left + (point[0] - x_low) / (x_high - x_low) * (self.right - self.left)
        return x, BOTTOM - (point[1] - y_low) / (y_high - y_low) * (BOTTOM - TOP)

    def line(self, points: Sequence[Point], color: tuple[int, int, int], width: int = 1) -> None:
        if len(points) > 1:
            self.canvas.line([self.place(point) for point in points], color, width)

    def mark(self, point: Point, gate: str) -> None:
        _mark(self.canvas, self.place(point), gate)


def _mark(canvas: ImageDraw.ImageDraw, place: Point, gate: str) -> None:
    """A hollow square, circle or triangle, so that gates differ without colours."""
    (x, y), color = place, GATES[gate]
    if gate == "input_gate":
        canvas.rectangle((x - 4, y - 4, x + 4, y + 4), outline=color)
    elif gate == "forget_gate":
        canvas.ellipse((x - 4, y - 4, x + 4, y + 4), outline=color, width=2)
    else:
        canvas.polygon(((x - 5, y + 4), (x + 5, y + 4), (x, y - 5)), outline=color)


def _steps(heights: Sequence[float]) -> list[Point]:
    return [((number + side) / BINS, height) for number, height in enumerate(heights) for side in (0, 1)]


@cache
def _font(size: int) -> Any:
    return ImageFont.load_default(size)
