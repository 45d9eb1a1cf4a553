"""The verbs ``train METHOD``, one for every method: parse, train, show progress.

What is imported here is imported for ``--help``, which must not wait for numpy.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter
from rich.console import Console

from stanalysis.errors import BadInput
from stanalysis.progress import Progress
from trainers.cli.options import preset_setting, verb_with_settings
from trainers.cli.printing import say, warnings_said
from trainers.methods.contract import Method
from trainers.methods.registry import METHODS
from trainers.methods.settings import config_from, head, settings
from trainers.training.watcher import Watcher

INTERRUPTED = 130
SEED, CHECKPOINTS = 0, 10  # of a new run


PREPARING = "preparing; the first run on a machine compiles for half a minute …"


class ProgressWatcher(Watcher):
    """Shows epoch, loss, validation accuracy and the time left."""

    def __init__(self, progress: Progress, epochs: int) -> None:
        self.progress, self.epochs = progress, epochs
        self.accuracy = "–"

    def begin(self, step: int, n_steps: int) -> None:
        """Start the clock."""
        self.step, self.per_epoch = step, n_steps / self.epochs
        self.progress.start(step / self.per_epoch)

    def batch(self, epoch: int, loss: float) -> None:
        """Move the bar."""
        self.step += 1
        self.progress.moved(self.step / self.per_epoch, self.epochs, self._said(epoch + 1, loss))

    def epoch(self, row: Mapping[str, float]) -> None:
        """Say how good the network is."""
        self.accuracy = f"{row['validation_accuracy']:.1%}"
        self.progress.reached(row["epoch"], self.epochs, self._said(row["epoch"], row["train_loss"]))

    def _said(self, epoch: float, loss: float) -> str:
        return f"epoch {epoch:.0f}/{self.epochs}  loss {loss:.3f}  validation {self.accuracy}"


def train_verb(method: Method) -> Callable[..., int | None]:
    """The verb of a method: its options are the fields of its configuration, its texts those of that docstring."""
    summary = "\n\n".join(filter(None, (method.summary, head(method.config)[1], head(_train)[1])))
    described = (preset_setting(method.presets), *settings(method.config).values())
    defaults = {"preset": next(iter(method.presets)), "data": method.data_of(None), **vars(method.default)}
    return verb_with_settings(_train, method, name=method.verb, summary=summary, described=described, defaults=defaults)


def _train(
    method: Method,
    changes: dict[str, Any],
    *,
    output: Annotated[Path, Parameter(alias="-o")],
    data: str | None = None,
    gain: float | None = None,
    bin: float | None = None,
    seed: Annotated[int | None, Parameter(show_default=str(SEED))] = None,
    checkpoints: Annotated[int | None, Parameter(show_default=str(CHECKPOINTS))] = None,
    threads: int | None = None,
    resume: Annotated[bool, Parameter(negative="")] = False,
) -> int | None:
    """Train by a method, from the configuration of a preset or of the run to resume, with the ``changes`` given.

    Ctrl-C finishes the batch and writes a checkpoint; --resume goes on from there and ends as if nothing had happened.

    Parameters
    ----------
    output
        Run folder to write: run.json, metrics.csv and checkpoints.
    data
        spoken_digits, spoken_digits_spikes or yin_yang (built in), a folder in the layout of the Raw Heidelberg Digits, of SHD
        or SSC, or a file of Braille letters.
    gain
        Factor between the recorded values and the input; spikes have none.
    bin
        Width in ms of the bins in which spikes are counted for a method that wants frames [default: 10].
    seed
        Seed of the network and its training.
    checkpoints
        How many checkpoints to keep, from step 0 to the end at equal ratios.
    threads
        Threads to train on [default: all cores]; they do not change the result.
    resume
        Go on with the run in the output folder, with the settings stored there.
    """
    from stanalysis.files.run import LAST, is_free
    from trainers.datasets import load_dataset
    from trainers.training.loop import train

    preset, base = changes.pop("preset", None), method.default
    kept: dict[str, Any] = {}
    if resume:
        if preset:
            raise BadInput("--preset cannot be given with --resume: the run goes on with its own settings; leave it out.")
        base, kept = _kept(method, output)
    elif not is_free(output):
        raise BadInput(f"{output} exists and is not empty; name another folder, or give --resume to go on with it.")
    elif preset:
        base = method.presets[preset]
    config = replace(base, **changes)
    given = {"data": data, "gain": gain, "bin": bin, "seed": seed, "checkpoints": checkpoints, "threads": threads}
    options = kept | {name: value for name, value in given.items() if value is not None}
    console = Console(stderr=True)
    with warnings_said(console), Progress(console) as progress:
        progress.doing(PREPARING)
        finished = train(
            method,
            config,
            load_dataset(
                options.get("data", method.data_of(preset)),
                gain=options.get("gain"),
                content=method.wants,
                dt=options.get("bin"),
            ),
            output,
            seed=options.get("seed", SEED),
            threads=options.get("threads"),
            n_checkpoints=options.get("checkpoints", CHECKPOINTS),
            watcher=ProgressWatcher(progress, config.epochs),
        )
    if not finished:
        say(console, f"Interrupted; the state is in {output / LAST}: go on with --resume.")
        return INTERRUPTED
    say(console, _outcome(output))
    return None


def _kept(method: Method, output: Path) -> tuple[Any, dict[str, Any]]:
    """The configuration of the run to resume, and the other options that it was trained with, by name."""
    from stanalysis.files.run import open_run

    stored = open_run(output).info
    if stored.get("method") != method.name:
        raise BadInput(f"{output} holds a run of the method {stored.get('method')}; resume it with its own verb.")
    dataset, threads = stored.get("dataset") or {}, stored.get("threads", 0)
    options = {
        "data": dataset.get("source"),
        "gain": dataset.get("gain"),
        "bin": dataset.get("dt") if method.wants == "frames" else None,
        "seed": stored.get("seed"),
        "checkpoints": stored.get("n_checkpoints"),
        "threads": threads if 0 < threads <= (os.cpu_count() or 1) else None,
    }
    return config_from(stored.get("config"), method.config), {k: v for k, v in options.items() if v is not None}


def _outcome(output: Path) -> str:
    """What a run that is trained can do, and where it is."""
    from stanalysis.files.run import read_metrics

    metrics = read_metrics(output)
    best = metrics.iloc[int(metrics.validation_accuracy.argmax())]
    return (
        f"Epoch {best.epoch:.0f} was the best on validation ({best.validation_accuracy:.1%}); "
        f"on test it reaches {best.test_accuracy:.1%}, the last epoch {metrics.test_accuracy.iloc[-1]:.1%}. Run: {output}"
    )


app = App(name="train", help="Train a network with delays and keep its checkpoints.")
for _method in METHODS.values():
    app.command(train_verb(_method), name=_method.verb)
