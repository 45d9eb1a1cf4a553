"""The verbs of the trainers: parse, train, show progress."""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from stanalysis.errors import BadInput
from stanalysis.files.run import open_run, read_metrics
from trainers.datasets import load_dataset
from trainers.loop import Watcher, train
from trainers.methods.dcls import dense as dcls
from trainers.methods.rewired import sparse as sparse_networks

INTERRUPTED = 130


class ProgressBar(Watcher):
    """Epoch, loss, validation accuracy and the time left; silent where nobody looks."""

    def __init__(self, console: Console, epochs: int) -> None:
        self.epochs = epochs
        self.accuracy = "–"
        self.preparing = console.status("preparing; the first run on a machine compiles for half a minute …")
        self.progress = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]}  validation {task.fields[accuracy]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )

    def begin(self, step: int, n_steps: int) -> None:
        """Show the bar."""
        self.preparing.stop()
        self.progress.start()
        self.task = self.progress.add_task("", total=n_steps, completed=step, epoch="–", loss="–", accuracy="–")

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show that training prepares, then the bar, until the end of the block."""
        self.preparing.start()
        try:
            yield
        finally:
            self.preparing.stop()
            self.progress.stop()

    def batch(self, epoch: int, loss: float) -> None:
        """Move the bar."""
        self.progress.update(
            self.task, advance=1, epoch=f"{epoch + 1}/{self.epochs}", loss=f"{loss:.3f}", accuracy=self.accuracy
        )

    def epoch(self, row: Mapping[str, float]) -> None:
        """Show the new validation accuracy."""
        self.accuracy = f"{row['validation_accuracy']:.1%}"


def dense(
    *,
    output: Annotated[Path, Parameter(alias="-o")],
    preset: Literal["meszaros2024", "hammouamri2024"] | None = None,
    data: str | None = None,
    gain: float | None = None,
    hidden: Annotated[tuple[int, ...] | None, Parameter(consume_multiple=True, negative="")] = None,
    delays: Literal["learned", "fixed", "none"] | None = None,
    kernel_count: int | None = None,
    n_bins: int | None = None,
    dropout: float | None = None,
    batch_size: int | None = None,
    epochs: int | None = None,
    weight_rate: float | None = None,
    delay_rate: float | None = None,
    seed: int | None = None,
    checkpoints: int | None = None,
    threads: int | None = None,
    resume: Annotated[bool, Parameter(negative="")] = False,
) -> int | None:
    """Train a dense network whose delays are learned by gradients (DCLS).

    Ctrl-C finishes the batch and writes a checkpoint; --resume goes on from there and ends as if nothing had happened.

    Parameters
    ----------
    output
        Run folder to write: run.json, metrics.csv and checkpoints.
    preset
        Published configuration to start from [default: meszaros2024].
    data
        spoken_digits (built in, the default), or a folder in the layout of the Raw Heidelberg Digits.
    gain
        Factor between the recorded values and the input.
    hidden
        Neurons of each hidden population, e.g. --hidden 256 256.
    delays
        learned; fixed at random; or none, all delays 0.
    kernel_count
        Synapses per pair of neurons.
    n_bins
        Delay bins: the longest delay is one less, in steps.
    dropout
        Probability that a hidden neuron is silenced in a sample.
    batch_size
        Samples per training step.
    epochs
        Passes through the training data.
    weight_rate
        Peak learning rate of the weights.
    delay_rate
        Peak learning rate of the delays, in bins.
    seed
        Seed of the network and its training [default: 0].
    checkpoints
        How many checkpoints to keep, from step 0 to the end at equal ratios [default: 10].
    threads
        Threads to train on [default: all cores]; they do not change the result.
    resume
        Go on with the run in the output folder, with the settings stored there.
    """
    changes = {
        "hidden": hidden, "delays": delays, "kernel_count": kernel_count, "n_bins": n_bins, "dropout": dropout,
        "batch_size": batch_size, "epochs": epochs, "weight_rate": weight_rate, "delay_rate": delay_rate,
    }  # fmt: skip
    base = dcls.PRESETS[preset or "meszaros2024"]
    _require_no_preset(preset, resume)
    return _train(dcls, base, changes, output, data, gain, seed, checkpoints, threads, resume)


def sparse(
    *,
    output: Annotated[Path, Parameter(alias="-o")],
    preset: Literal["default", "meszaros2024"] | None = None,
    sparsity: float | None = None,
    connectivity: Literal["rewired", "fixed"] | None = None,
    delays: Literal["learned", "fixed", "none"] | None = None,
    signs: Literal["synapse", "source"] | None = None,
    candidates: Literal["delays", "pairs"] | None = None,
    candidate_share: float | None = None,
    grow: Literal["neg_grad", "pos_grad", "abs_grad", "random"] | None = None,
    every: int | None = None,
    temperature: float | None = None,
    drop_fraction: float | None = None,
    l1: float | None = None,
    moments: Literal["fresh", "slot"] | None = None,
    data: str | None = None,
    gain: float | None = None,
    hidden: Annotated[tuple[int, ...] | None, Parameter(consume_multiple=True, negative="")] = None,
    n_bins: int | None = None,
    dropout: float | None = None,
    batch_size: int | None = None,
    epochs: int | None = None,
    weight_rate: float | None = None,
    delay_rate: float | None = None,
    seed: int | None = None,
    checkpoints: int | None = None,
    threads: int | None = None,
    resume: Annotated[bool, Parameter(negative="")] = False,
) -> int | None:
    """Train a sparse network, its synapses fixed or pruned and regrown (DEEP R, RigL).

    Every birth and death is in rewiring.nc. Ctrl-C finishes the batch and writes a checkpoint; --resume goes on from there
    and ends as if nothing had happened.

    Parameters
    ----------
    output
        Run folder to write: run.json, metrics.csv, rewiring.nc and checkpoints.
    preset
        Configuration to start from: default; or meszaros2024, the published rewiring, which is slower.
    sparsity
        Share of the pairs of neurons without a synapse, from 0 to below 1 [default: 0.9].
    connectivity
        rewired during training [default], or fixed at random.
    delays
        learned [default]; fixed at random; or none, all delays 0.
    signs
        Signs of rewired synapses: at random for each synapse [default], or for each source (Dale).
    candidates
        Where synapses grow: at any free delay of any pair, a random subset of which is judged (delays, the default); or only
        between pairs that have none (pairs).
    candidate_share
        Share of all (target, source, delay) that is judged [default: 0.04].
    grow
        By the most negative gradient [default], the most positive, the largest of either sign, or at random.
    every
        Training steps between rewirings [default: 10].
    temperature
        Of DEEP R's random walk of the weights [default: 0].
    drop_fraction
        Share of the smallest synapses pruned at a rewiring, falling to 0 during training (RigL) [default: 0].
    l1
        Penalty on the sum of the magnitudes [default: 0.01].
    moments
        Adam's moments of a new synapse: fresh [default], or those its slot had (published; needs candidates pairs, every 1).
    data
        spoken_digits (built in, the default), or a folder in the layout of the Raw Heidelberg Digits.
    gain
        Factor between the recorded values and the input.
    hidden
        Neurons of each hidden population, e.g. --hidden 256 256.
    n_bins
        Delay bins: the longest delay is one less, in steps.
    dropout
        Probability that a hidden neuron is silenced in a sample.
    batch_size
        Samples per training step.
    epochs
        Passes through the training data.
    weight_rate
        Peak learning rate of the weights.
    delay_rate
        Peak learning rate of the delays, in bins.
    seed
        Seed of the network and its training [default: 0].
    checkpoints
        How many checkpoints to keep, from step 0 to the end at equal ratios [default: 10].
    threads
        Threads to train on [default: all cores]; they do not change the result.
    resume
        Go on with the run in the output folder, with the settings stored there.
    """
    changes = {
        "sparsity": sparsity, "connectivity": connectivity, "delays": delays, "signs": signs, "candidates": candidates,
        "candidate_share": candidate_share, "grow": grow, "every": every, "temperature": temperature,
        "drop_fraction": drop_fraction, "l1": l1, "moments": moments, "hidden": hidden, "n_bins": n_bins, "dropout": dropout,
        "batch_size": batch_size, "epochs": epochs, "weight_rate": weight_rate, "delay_rate": delay_rate,
    }  # fmt: skip
    base = sparse_networks.PRESETS[preset or "default"]
    _require_no_preset(preset, resume)
    return _train(sparse_networks, base, changes, output, data, gain, seed, checkpoints, threads, resume)


def _require_no_preset(preset: str | None, resume: bool) -> None:
    """Raise `BadInput` where a run is resumed with a preset, for it has a configuration."""
    if resume and preset:
        raise BadInput("--preset cannot be given with --resume: the run goes on with its own settings; leave it out.")


def _train(
    method: Any,
    base: dcls.DclsConfig,
    changes: dict[str, Any],
    output: Path,
    data: str | None,
    gain: float | None,
    seed: int | None,
    checkpoints: int | None,
    threads: int | None,
    resume: bool,
) -> int | None:
    """Train by a method from the configuration ``base``, or from that of the run to resume, with the ``changes`` given."""
    console = Console(stderr=True)
    if resume:
        stored = open_run(output).info
        if stored.get("method") != method.NAME:
            raise BadInput(f"{output} holds a run of the method {stored.get('method')}; resume it with its own verb.")
        base = dcls.config_from(stored.get("config"), type(base))
        dataset = stored.get("dataset") or {}
        seed = stored.get("seed") if seed is None else seed
        checkpoints = stored.get("n_checkpoints") if checkpoints is None else checkpoints
        data, gain = data or dataset.get("source"), dataset.get("gain") if gain is None else gain
        if threads is None and stored.get("threads", 0) <= (os.cpu_count() or 1):
            threads = stored.get("threads")
    else:
        if output.exists() and (not output.is_dir() or any(output.iterdir())):
            raise BadInput(f"{output} exists and is not empty; name another folder, or give --resume to go on with it.")
    config = dataclasses.replace(base, **{name: value for name, value in changes.items() if value is not None})
    recordings = load_dataset(data or "spoken_digits", gain=gain)
    watcher = ProgressBar(console, config.epochs)
    with warnings.catch_warnings(), watcher.shown():
        warnings.showwarning = lambda message, *_: console.print(f"[yellow]Warning:[/yellow] {message}", soft_wrap=True)
        finished = train(
            method,
            config,
            recordings,
            output,
            seed=0 if seed is None else seed,
            threads=threads,
            n_checkpoints=10 if checkpoints is None else checkpoints,
            watcher=watcher,
        )
    if not finished:
        console.print(f"Interrupted; the state is in {output / 'last.nc'}: go on with --resume.", soft_wrap=True)
        return INTERRUPTED
    metrics = read_metrics(output)
    best = metrics.iloc[int(metrics.validation_accuracy.argmax())]
    console.print(
        f"Epoch {best.epoch:.0f} was the best on validation ({best.validation_accuracy:.1%}); "
        f"on test it reaches {best.test_accuracy:.1%}, the last epoch {metrics.test_accuracy.iloc[-1]:.1%}. Run: {output}",
        highlight=False,
        soft_wrap=True,
    )
    return None
