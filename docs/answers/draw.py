"""Draw the figures of the answers that come from surveys and traces, from the study `counters`.

python -m docs.answers.draw counters dyck1/standard/s0 [output_dir=outputs]
"""

import csv
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from experiments import analysis
from experiments.gates import probes, reading
from experiments.gates.trained_trial import load_trial
from experiments.report.figures import style
from experiments.tracking import Store
from experiments.tracking.lookup import find

TARGETS = {
    "count": "count of a minus b",
    "depth": "open brackets",
    "in_quotes": "inside of quotes",
    "column": "column of the line",
}
SCORES = {"unit": "best unit", "probe": "all units", "control": "all units, control"}
HELD = {
    **{f"{target}/{score}": f"{text}, {SCORES[score]}" for target, text in TARGETS.items() for score in SCORES},
    "switch": "best switch",
    "toggle": "best toggle",
    "counter": "best counter",
}
SHOWN = 36  # steps
READ = 2000  # steps in which the unit is chosen
LAG = "forgets_and_writes "
FOLDER = Path(__file__).parent


MODELS = (("trained", "#0072b2", "o"), ("untrained", "#d55e00", "s"), ("inputs", "#009e73", "^"))


def read(file: Path) -> dict[tuple[str, str, str], np.ndarray]:
    """Values over seeds of the first layer, by task, measure and model (trained, untrained, or inputs alone)."""
    values = defaultdict(list)
    with file.open() as opened:
        for row in csv.DictReader(opened):
            if row["layer"] in ("", "lstm_1"):
                values[row["task"], row["measure"], row["model"]].append(float(row["value"]))
    return {place: np.array(by_seed) for place, by_seed in values.items()}


def held(values: dict[tuple[str, str, str], np.ndarray]) -> Figure:
    """What the best unit and all units hold, before and after training, and what inputs alone give."""
    names = [(task, measure) for task, measure, model in values if model == "trained" and measure in HELD]
    figure = style.figure("What cell states hold, before and after training", 1.5 + 0.3 * len(names))
    axes = figure.add_subplot()
    for place, (task, measure) in enumerate(reversed(names)):
        for number, (model, color, marker) in enumerate(MODELS):
            if (task, measure, model) not in values:
                continue
            mean, shifted = analysis.mean(values[task, measure, model]), place + 0.2 * (1 - number)
            axes.plot([mean.low, mean.high], [shifted] * 2, color=color, linewidth=1.6)
            axes.plot([mean.value], [shifted], marker, color=color, markersize=5)
    handles = [axes.plot([], [], marker, color=color, label=model)[0] for model, color, marker in MODELS]
    axes.set_yticks(range(len(names)), [f"{task}: {HELD[measure]}" for task, measure in reversed(names)])
    axes.set_xlabel("share of variance explained, or score; mean over seeds, 95 % interval")
    axes.set_xlim(-0.05, 1.05)
    style.tidy(axes)
    figure.legend(handles=handles, loc="outside lower left", ncols=3, fontsize=style.FONT - 0.5, frameon=False)
    return figure


def lags(values: dict[tuple[str, str, str], np.ndarray]) -> Figure:
    """Correlation of forgetting with writing some steps later, for trained models."""
    figure = style.figure("Correlation of 1 - f with |i z| some steps later, within units: mean and 95 % interval", 3.4)
    axes = figure.add_subplot()
    tasks = list(dict.fromkeys(task for task, measure, _ in values if measure.startswith(LAG)))
    for task, look in style.looks(tasks).items():
        steps = sorted(
            int(measure.removeprefix(LAG))
            for t, measure, m in values
            if t == task and measure.startswith(LAG) and m == "trained"
        )
        means = [analysis.mean(values[task, f"{LAG}{step:+d}", "trained"]) for step in steps]
        shift = 0.06 * tasks.index(task)
        axes.errorbar(
            [step + shift for step in steps],
            [mean.value for mean in means],
            yerr=[[mean.value - mean.low for mean in means], [mean.high - mean.value for mean in means]],
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
    figure.legend(loc="outside lower left", ncols=4, fontsize=style.FONT - 0.5, frameon=False)
    return figure


def steps(store: Store, study: str, name: str) -> Figure:
    """One unit, the one that counts open brackets best, on the beginning of a test string."""
    trial = load_trial(store, find(store, name, study))
    texts, tokens = reading.read_symbols(trial.task.test, READ), trial.task.tokens
    first = [layers["lstm_1"] for layers in reading.joined(reading.read_pieces(trial, READ))]
    depth = np.concatenate([probes.probe_targets([tokens[token] for token in text])["depth"] for text in texts])
    states = np.concatenate([arrays["cell_state"] for arrays in first])
    unit = int(probes.squared_correlation(states, depth).argmax())
    text, arrays = texts[0][:SHOWN], {quantity: values[:SHOWN, unit] for quantity, values in first[0].items()}
    before = np.concatenate([[0.0], arrays["cell_state"][:-1]])
    written = arrays["input_gate"] * arrays["candidate"]
    figure = style.figure(f"{name}, unit {unit}: c' = f c + i z, step by step", 4.4)
    upper, lower = figure.subplots(2, 1, sharex=True)
    time = np.arange(len(text))
    upper.bar(
        time - 0.2, (arrays["forget_gate"] - 1) * before, 0.4, color="#d55e00", hatch="//", label="forgotten: (f - 1) c"
    )
    upper.bar(time + 0.2, written, 0.4, color="#0072b2", label="written: i z")
    upper.axhline(0, color="#000000", linewidth=0.8)
    lower.plot(time, arrays["cell_state"], color="#000000", marker="o", markersize=3.5, label="cell state c'")
    other = lower.twinx()
    other.step(
        time,
        probes.probe_targets([tokens[token] for token in text])["depth"],
        where="mid",
        color="#009e73",
        linestyle=":",
        label="open brackets",
    )
    lower.set_xticks(time, [tokens[token] for token in text], fontsize=style.FONT)
    lower.set_xlabel("character read")
    upper.set_ylabel("change of c")
    lower.set_ylabel("cell state")
    other.set_ylabel("open brackets (dotted)", fontsize=style.FONT)
    for axes in (upper, lower):
        style.tidy(axes)
    figure.legend(loc="outside lower left", ncols=4, fontsize=style.FONT - 0.5, frameon=False)
    return figure


def main() -> None:
    """Write the figures of the study and the trial named on the command line."""
    study, name, *words = sys.argv[1:]
    options = dict(word.partition("=")[::2] for word in words)
    store = Store(None, options.get("output_dir", "outputs"), new=False)
    values = read(store.folder / study / "survey.csv")
    for kind, figure in (("held", held(values)), ("lags", lags(values)), ("steps", steps(store, study, name))):
        figure.savefig(FOLDER / "images" / f"{study}-{kind}.svg", metadata={"Date": None})
        print(FOLDER / "images" / f"{study}-{kind}.svg")


if __name__ == "__main__":
    main()
