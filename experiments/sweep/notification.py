"""What a sweep tells somebody who has gone away: to a command or a web address, when it has ended."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from experiments.config.names import study_folder
from experiments.config.schema import Config
from experiments.errors import first_line
from experiments.sweep.progress import best
from experiments.sweep.run_trial import Outcome
from experiments.trial.spec import TrialSpec

PATIENCE_S = 30.0  # for whoever is told


@dataclass(frozen=True)
class Batch:
    """Trials that were to be done, and how those ended that did: a sweep is one, a search has several."""

    specs: Sequence[TrialSpec]
    outcomes: Mapping[int, Outcome]


def notice(config: Config, end: str, batches: Sequence[Batch]) -> dict[str, Any]:
    """What is told of a sweep: what it was, how it ended, where its report is, and the best score of each task."""
    pairs = {(spec.experiment, spec.key): (spec, b.outcomes.get(k)) for b in batches for k, spec in enumerate(b.specs)}
    specs = [spec for spec, _ in pairs.values()]
    outcomes = {k: outcome for k, (_, outcome) in enumerate(pairs.values()) if outcome is not None}
    failed = sum(outcome.has_failed for outcome in outcomes.values())
    lines = [f"{task}: {text}" for task, text in best(specs, outcomes)]
    return described(config, end, len(specs), len(outcomes) - failed, failed, lines)


def described(
    config: Config, end: str, trials: int, done: int, failed: int, lines: Sequence[str] = ()
) -> dict[str, Any]:
    """What is told, with a sentence under the name that chats show."""
    page = study_folder(Path(config.output_dir).expanduser().resolve(), config.study) / "report" / "report.html"
    return {
        "text": f"{config.study}: {end}, {done} of {trials} trials done, {failed} failed",
        "study": config.study,
        "end": end,
        "trials": trials,
        "done": done,
        "failed": failed,
        "report": str(page) if page.exists() else None,
        "best": list(lines),
    }


def send(target: str, content: Mapping[str, Any]) -> None:
    """Tell it; one line says if that fails, which costs the sweep nothing.

    Args:
        target: An address, which gets a POST with JSON, or a command of the shell, which gets it as its input.
        content: What is told.
    """
    try:
        if target.startswith(("http://", "https://")):
            requests.post(target, json=content, timeout=PATIENCE_S).raise_for_status()
        else:
            subprocess.run(target, shell=True, input=json.dumps(content), text=True, timeout=PATIENCE_S, check=True)
    except requests.RequestException as error:  # its text has the address, which may be a secret
        answer = "" if error.response is None else f" {error.response.status_code}"
        print(f"sweep.notify: nobody was told ({type(error).__name__}{answer})", flush=True)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        print(f"sweep.notify: nobody was told ({first_line(error)})", flush=True)
