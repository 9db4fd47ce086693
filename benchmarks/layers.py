"""Time and memory of the recurrent layers, as ratios measured in one run.

python benchmarks/layers.py --help
"""

import argparse
import csv
import ctypes
import gc
import os
import platform
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from _layers_calls import FLOOR, JAX, KERAS, PATHS, TORCH, TORCH_LSTM, alike, call, gpus

from experiments.config.conf_files import choices

SIZES = {"XS": (16, 100, 8, 32), "S": (32, 100, 32, 64), "M": (64, 100, 128, 256), "L": (128, 100, 256, 512)}
ROUNDS = {"XS": 50, "S": 30, "M": 7, "L": 3}
LENGTHS = (50, 100, 200, 400, 800)
LENGTH_ROUNDS = 20
SECTIONS = ("training", "inference", "length", "memory")
STANDARD_LIMITS = {"XS": 1.0, "S": 1.0, "M": 1.0, "L": 1.05}
PROC = Path("/proc/self")

HELP = f"""
sizes: batch, time steps, features, units
  {", ".join(f"{size} {shape}" for size, shape in SIZES.items())}

sections
  training   one step: forward, loss = sum of squares of the last output, gradients of all weights, SGD update
  inference  forward only, training=False
  length     training steps of size S with {LENGTHS[0]} to {LENGTHS[-1]} time steps
  memory     training steps, each row in a process of its own; by default at M and L

paths
  jit, graph              Keras's or our layer, in a function compiled with XLA or as a TensorFlow graph
  plain jit, plain graph  the same variant as a plain Keras cell: keras.layers.RNN(layer.cell)
  "{FLOOR}" is the floor: the products of a standard LSTM alone, without any pointwise work. {TORCH_LSTM}
  is there if torch is installed, with as many threads. With KERAS_BACKEND=jax there is no graph mode.

columns
  ms         median of the rounds; in each round every row runs once, in random order
  /keras     ratio to keras.layers.LSTM, the faster of its paths (in memory: the smaller)
  /standard  ratio to our standard layer, jit
  /plain     ratio to the same variant as a plain Keras cell, the faster of its paths
  first s    seconds of the first call, which compiles
  /{LENGTHS[0]}        ratio of ms per step to that at {LENGTHS[0]} steps
  MiB        peak of resident memory in three steps, less what was resident before the layer was made and compiled
"""


@dataclass
class Entry:
    """A row of a table of times: one layer, run in one way."""

    name: str
    path: str
    call: Callable[[], object]
    steps: int = 100
    first: float = 0.0
    seconds: list[float] = field(default_factory=list)

    def run(self):
        """Run it once; return the seconds."""
        began = time.perf_counter()
        self.call()
        return time.perf_counter() - began

    @property
    def ms(self):
        """Median of the rounds."""
        return statistics.median(self.seconds) * 1e3


def measure(entries, rounds):
    """Run every entry once, which compiles it, and then once per round."""
    for entry in entries:
        entry.first = entry.run()
    gc.collect()
    shuffle = random.Random(0)
    for _ in range(rounds):
        for entry in shuffle.sample(entries, len(entries)):
            entry.seconds.append(entry.run())


def table(columns, rows):
    """Print rows as they come, and pass them on."""
    for number, row in enumerate(rows):
        if number == 0:
            print(f"{'entry':<29}{'path':<12}" + "".join(f"{name:>10}" for name in columns))
        cells = (f"{row[name]:>10.{digits}f}" if name in row else " " * 10 for name, digits in columns.items())
        print(f"{row['entry']:<29}{row['path']:<12}" + "".join(cells), flush=True)
        yield row


def timed(section, size, names, rounds):
    """Times of training steps or of inference at one size."""
    batch, steps, features, units = SIZES[size]
    shape = f"batch {batch}, {steps} steps, {features} features, {units} units"
    print(f"\n{section}, {size}: {shape}; {rounds} rounds", flush=True)
    entries = [Entry(*entry, call(section, *entry, SIZES[size])) for entry in timed_entries(names)]
    measure(entries, rounds)
    ms = {(entry.name, entry.path): entry.ms for entry in entries}
    baseline = min(PATHS, key=lambda path: ms[KERAS, path])
    print(f"/keras is the ratio to {KERAS} {baseline}, {ms[KERAS, baseline]:.2f} ms")
    for entry in entries:
        row = {"section": section, "size": size, "steps": steps, "entry": entry.name, "path": entry.path}
        row |= {"ms": entry.ms, "min ms": min(entry.seconds) * 1e3, "first s": entry.first}
        row["/keras"] = entry.ms / ms[KERAS, baseline]
        if entry.name in names:
            row["/standard"] = entry.ms / ms["standard", "jit"]
            row["/plain"] = entry.ms / min(ms[entry.name, f"plain {path}"] for path in PATHS)
        yield row


def timed_entries(names):
    """Name and path of every row; the floor comes first and pays what the first compilation costs."""
    yield from ((FLOOR, path) for path in PATHS)
    if TORCH:
        yield TORCH_LSTM, "eager"
    yield from ((KERAS, path) for path in PATHS)
    for name in names:
        yield from ((name, path) for path in our_paths(name))
        yield from ((name, f"plain {path}") for path in PATHS)


def our_paths(name):
    return PATHS if name == "standard" else PATHS[:1]


def by_length(rounds):
    """Times of training steps by number of time steps."""
    batch, _, features, units = SIZES["S"]
    print(f"\nlength: training, size S with other numbers of steps; {rounds} rounds", flush=True)
    entries = [
        Entry(name, "jit", call("training", name, "jit", (batch, steps, features, units)), steps)
        for name in (KERAS, "standard", "peephole")
        for steps in LENGTHS
    ]
    measure(entries, rounds)
    shortest = {entry.name: entry.ms / entry.steps for entry in entries if entry.steps == LENGTHS[0]}
    for entry in entries:
        row = {"section": "length", "size": "S", "steps": entry.steps, "entry": entry.name, "path": entry.path}
        per_step = entry.ms / entry.steps
        yield row | {"ms": entry.ms, "ms/step": per_step, f"/{LENGTHS[0]}": per_step / shortest[entry.name]}


def memory(size, names):
    """Peak memory of training steps at one size."""
    print(f"\nmemory, {size}: training, the peak on top of what was there before the layer", flush=True)
    ours = [(name, path) for name in names for path in our_paths(name)]
    baselines = {(KERAS, path): child_memory(KERAS, path, size) for path in PATHS}
    for name, path in (*baselines, *ours):
        mib = baselines.get((name, path)) or child_memory(name, path, size)
        row = {"section": "memory", "size": size, "steps": SIZES[size][1], "entry": name, "path": path}
        yield row | {"MiB": mib, "/keras": mib / min(baselines.values())}


def child_memory(*entry):
    done = subprocess.run([sys.executable, __file__, "--child", *entry], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return float(done.stdout.split()[-1])


def child(name, path, size):
    """Print the peak memory of an entry, measured in this process, which does nothing else."""
    _, steps, features, units = SIZES[size]
    for batch in (1, 2):  # what the first compilations of a process leave behind is none of the layer's
        call("training", name, path, (batch, 2, features, units))()
    trim()
    before = resident("VmRSS")
    run = call("training", name, path, SIZES[size])
    run()
    trim()
    (PROC / "clear_refs").write_text("5")  # the peak starts anew
    run(), run(), run()
    print(resident("VmHWM") - before)


def trim():
    """Give back to the system what Python and the C library keep of freed memory."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)


def resident(name):
    """`VmRSS`, the resident memory of this process, or `VmHWM`, its peak, in MiB."""
    lines = (PROC / "status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1024


def targets(rows, names):
    """Every target: a text, the limit, and the ratios that were found, by entry."""

    def ratios(column, section, size, names):
        return {
            row["entry"] if section != "length" else f"{row['entry']} at {row['steps']} steps": row[column]
            for row in rows
            if (row["section"], row["size"], row["path"]) == (section, size, "jit") and row["entry"] in names
        }

    for size, limit in STANDARD_LIMITS.items():
        yield f"training, {size}: standard /keras", limit, ratios("/keras", "training", size, ["standard"])
    close = [name for name in names if name != "standard" and alike(name)]
    for size in SIZES:
        yield f"training, {size}: variants /standard", 1.15, ratios("/standard", "training", size, close)
    for size in ("XS", "S", "M"):
        yield f"training, {size}: variants /plain", 0.85, ratios("/plain", "training", size, names)
    yield f"length: /{LENGTHS[0]}", 1.1, ratios(f"/{LENGTHS[0]}", "length", "S", names)
    for size in SIZES:
        yield f"memory, {size}: variants /keras", 1.1, ratios("/keras", "memory", size, names)


def show_targets(rows, names):
    print("\ntargets (jit; variants with gate recurrence, full peepholes or a cell of their own have none to standard)")
    for text, limit, found in targets(rows, names):
        if not found:
            continue
        worst = max(found, key=found.get)
        over = [f"{name} by {ratio - limit:.2f}" for name, ratio in found.items() if ratio > limit]
        verdict = f"missed  {text} <= {limit:.2f}: {', '.join(over)}" if over else f"met     {text} <= {limit:.2f}"
        print(f"{verdict} ({len(found)} measured, largest {found[worst]:.2f}, {worst})")


def describe():
    """One line about the software and the machine."""
    packages = ["keras", "jax" if JAX else "tensorflow", *(["torch"] if TORCH else [])]
    cpuinfo = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    models = [line.split(":", 1)[1].strip() for line in cpuinfo.splitlines() if line.startswith("model name")]
    devices = ", ".join(gpus()) or "no GPU"
    software = ", ".join(f"{package} {version(package)}" for package in packages)
    return f"{software}; {models[0] if models else platform.processor()}, {os.cpu_count()} cores (threads), {devices}"


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    known = choices("variant")
    parser.add_argument("--what", nargs="+", choices=SECTIONS, default=SECTIONS, help="default all sections")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, help="default all")
    variants_help = "default all of conf/variant; standard is always among them"
    parser.add_argument("--variants", nargs="+", choices=known, default=known, metavar="NAME", help=variants_help)
    parser.add_argument("--rounds", type=int, help=f"default {ROUNDS} by size, {LENGTH_ROUNDS} for length")
    parser.add_argument("--csv", metavar="FILE", help="write all rows to a file too, with the minimum of the rounds")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    return parser.parse_args()


def sections(arguments, names):
    """All rows, printed."""
    columns = {"ms": 2, "/keras": 2, "/standard": 2, "/plain": 2, "first s": 1}
    for section in ("training", "inference"):
        for size in (arguments.sizes or SIZES) if section in arguments.what else ():
            yield from table(columns, timed(section, size, names, arguments.rounds or ROUNDS[size]))
    if "length" in arguments.what:
        columns = {"steps": 0, "ms": 2, "ms/step": 4, f"/{LENGTHS[0]}": 2}
        yield from table(columns, by_length(arguments.rounds or LENGTH_ROUNDS))
    if "memory" in arguments.what and not (PROC / "clear_refs").exists():
        print("\nmemory: left out, this system has no /proc/self/clear_refs")
    elif "memory" in arguments.what:
        for size in arguments.sizes or ("M", "L"):
            yield from table({"MiB": 1, "/keras": 2}, memory(size, names))


def write(file, rows):
    with open(file, "w", newline="") as opened:
        writer = csv.DictWriter(opened, list(dict.fromkeys(name for row in rows for name in row)))
        writer.writeheader()
        writer.writerows(rows)


def main():
    arguments = parse()
    if arguments.child:
        return child(*arguments.child)
    print(describe())
    names = ["standard", *(name for name in arguments.variants if name != "standard")]
    rows = list(sections(arguments, names))
    show_targets(rows, names)
    if arguments.csv:
        write(arguments.csv, rows)


if __name__ == "__main__":
    main()
