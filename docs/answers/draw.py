"""Draw the figures of the answers that come from surveys: python -m docs.answers.draw STUDY [output_dir=outputs]."""

import csv
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from experiments import analysis
from experiments.report.figures import style

HELD = {
    "count": "count of a minus b",
    "depth": "open brackets",
    "in_quotes": "inside of quotes",
    "column": "column of the line",
    "switch": "best switch",
    "toggle": "best toggle",
    "counter": "best counter",
}
LAG = "forgets_and_writes "
FOLDER = Path(__file__).parent


def read(file: Path) -> dict[tuple[str, str, str], np.ndarray]:
    """Values over seeds by task, measure and model (trained or untrained)."""
    found = defaultdict(list)
    with file.open() as opened:
        for row in csv.DictReader(opened):
            found[row["task"], row["measure"], row["model"]].append(float(row["value"]))
    return {place: np.array(values) for place, values in found.items()}


def held(values: dict[tuple[str, str, str], np.ndarray]) -> Figure:
    """What the best unit holds, before and after training."""
    names = [(task, measure) for task, measure, model in values if model == "trained" and measure in HELD]
    made = style.figure(
        "Best unit of each trained model, and of the same model before training", 1.5 + 0.3 * len(names)
    )
    axes = made.add_subplot()
    for place, (task, measure) in enumerate(reversed(names)):
        for model, color, marker, shift in (("trained", "#0072b2", "o", 0.12), ("untrained", "#d55e00", "s", -0.12)):
            found = analysis.mean(values[task, measure, model])
            axes.plot([found.low, found.high], [place + shift] * 2, color=color, linewidth=1.6)
            label = model if place == 0 else None
            axes.plot([found.value], [place + shift], marker, color=color, markersize=5.5, label=label)
    axes.set_yticks(range(len(names)), [f"{task}: {HELD[measure]}" for task, measure in reversed(names)])
    axes.set_xlabel("squared correlation, or score of the gate browser; mean over seeds and 95 % interval")
    axes.set_xlim(-0.05, 1.05)
    style.tidy(axes)
    made.legend(loc="outside lower left", ncols=2, fontsize=style.FONT - 0.5, frameon=False)
    return made


def lags(values: dict[tuple[str, str, str], np.ndarray]) -> Figure:
    """Correlation of forgetting with writing some steps later, for trained models."""
    made = style.figure("Correlation of 1 - f with |i z| some steps later, within units: mean and 95 % interval", 3.4)
    axes = made.add_subplot()
    tasks = list(dict.fromkeys(task for task, measure, _ in values if measure.startswith(LAG)))
    for task, look in style.looks(tasks).items():
        steps = sorted(
            int(measure.removeprefix(LAG))
            for t, measure, m in values
            if t == task and measure.startswith(LAG) and m == "trained"
        )
        found = [analysis.mean(values[task, f"{LAG}{step:+d}", "trained"]) for step in steps]
        shift = 0.06 * tasks.index(task)
        axes.errorbar(
            [step + shift for step in steps],
            [each.value for each in found],
            yerr=[[each.value - each.low for each in found], [each.high - each.value for each in found]],
            color=look.color,
            linestyle=look.line,
            marker=look.marker,
            markersize=5,
            linewidth=1.4,
            label=task,
        )
    axes.axhline(0, color="#000000", linewidth=0.8)
    axes.axvline(0, color="#000000", linewidth=0.8)
    axes.set_xlabel("lag in steps: left, written before it forgets; right, forgotten before it writes")
    axes.set_ylabel("correlation")
    style.tidy(axes)
    made.legend(loc="outside lower left", ncols=4, fontsize=style.FONT - 0.5, frameon=False)
    return made


def main() -> None:
    """Write both figures of the study named on the command line."""
    words = dict(word.partition("=")[::2] for word in sys.argv[2:])
    study = sys.argv[1]
    values = read(Path(words.get("output_dir", "outputs")) / study / "survey.csv")
    for name, figure in (("held", held(values)), ("lags", lags(values))):
        figure.savefig(FOLDER / "images" / f"{study}-{name}.svg", metadata={"Date": None})
        print(FOLDER / "images" / f"{study}-{name}.svg")


if __name__ == "__main__":
    main()
