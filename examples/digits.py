"""A small network in the manner of LeNet learns to read handwritten digits.

    python examples/digits.py

The digits are scikit-learn's: 1797 images of 8x8 pixels. A fifth of them is held out; the network never sees
it in training. Pictures and the trained network are written to the folder given by --output.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from fastconv import nn
from figures import BLUE, INK, MUTED, ORANGE, RULE, new_figure, save, show

Array = np.ndarray[Any, Any]


@dataclass
class Digits:
    """Images ``(n, 1, 8, 8)`` between 0 and 1 and what they show, to learn from and to be tested with."""

    images: Array
    labels: Array
    test_images: Array
    test_labels: Array


@dataclass
class History:
    """What became of the loss and of the accuracies (0 to 1), epoch by epoch."""

    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    test_accuracy: list[float] = field(default_factory=list)


def load(seed: int) -> Digits:
    """Split the digits, with the same share of each in both parts."""
    images, labels = load_digits(return_X_y=True)
    images = (images / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    parts = train_test_split(images, labels, test_size=0.2, random_state=seed, stratify=labels)
    return Digits(parts[0], parts[2], parts[1], parts[3])


def build(rng: np.random.Generator) -> nn.Sequential:
    """Two convolutions with maxima of 2x2 pixels, and two fully connected layers with dropout before them."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1, activation="relu", rng=rng),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1, activation="relu", rng=rng),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.3, rng=rng),
        nn.Linear(128, 64, activation="relu", rng=rng),
        nn.Dropout(0.3, rng=rng),
        nn.Linear(64, 10, rng=rng),
    )


def accuracy(network: nn.Sequential, images: Array, labels: Array) -> float:
    """Return the share of images that the network reads rightly."""
    return float(np.mean(network.eval()(images).argmax(1) == labels))


def learning_rate(epoch: int, epochs: int) -> float:
    """Return the size of steps, which become smaller towards the end along half a cosine."""
    return float(3e-3 * (1 + np.cos(np.pi * epoch / epochs)) / 2)


def train_epoch(
    network: nn.Sequential, optimizer: Any, images: Array, labels: Array, batch: int, rng: np.random.Generator
) -> float:
    """Let the network see every image once, in a new order; return the mean loss."""
    criterion = nn.CrossEntropyLoss()
    network.train()
    order = rng.permutation(len(images))
    total = 0.0
    for begin in range(0, len(order), batch):
        chosen = order[begin : begin + batch]
        total += criterion(network(images[chosen]), labels[chosen]) * len(chosen)
        network.backward_parameters(criterion.backward())
        optimizer.step()
    return total / len(order)


def train(
    network: nn.Sequential, digits: Digits, epochs: int, batch: int, rng: np.random.Generator
) -> History:
    """Train with Adam, and watch."""
    optimizer, history = nn.Adam(network.parameters()), History()
    columns = (
        TextColumn("epoch {task.completed}/{task.total}"),
        BarColumn(),
        TextColumn("{task.fields[state]}"),
    )
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=epochs, state="")
        for epoch in range(epochs):
            optimizer.lr = learning_rate(epoch, epochs)
            loss = train_epoch(network, optimizer, digits.images, digits.labels, batch, rng)
            history.loss.append(loss)
            history.accuracy.append(accuracy(network, digits.images, digits.labels))
            history.test_accuracy.append(accuracy(network, digits.test_images, digits.test_labels))
            state = f"loss {loss:.4f}, held out {history.test_accuracy[-1]:.1%}"
            progress.update(task, advance=1, state=state)
    return history


# ---- pictures


def plot_history(history: History, path: Path) -> None:
    """Draw loss and accuracy over the epochs."""
    figure = new_figure(
        9, 3.6, "Learning to read digits", f"held out: {history.test_accuracy[-1]:.2%} read rightly"
    )
    loss, share = figure.subplots(1, 2)
    epochs = np.arange(1, len(history.loss) + 1)
    loss.plot(epochs, history.loss, color=BLUE, lw=1.8)
    loss.set_yscale("log")
    loss.set_ylabel("cross-entropy", color=MUTED)
    for values, colour, name in (
        (history.accuracy, BLUE, "learnt from"),
        (history.test_accuracy, ORANGE, "held out"),
    ):
        share.plot(epochs, np.asarray(values) * 100, color=colour, lw=1.8, label=name)
    share.set_ylim(max(0, min(99.0, 100 * min(history.test_accuracy[len(epochs) // 6 :])) - 1), 100.3)
    share.set_ylabel("read rightly, %", color=MUTED)
    share.legend(frameon=False, labelcolor=INK, loc="lower right")
    for axes in (loss, share):
        axes.set_xlabel("epoch", color=MUTED)
        axes.grid(color=RULE, lw=0.8)
        axes.spines[:].set_visible(False)
        axes.tick_params(which="both", length=0, labelcolor=INK)
    save(figure, path)


def plot_filters(network: nn.Sequential, path: Path) -> None:
    """Show the kernels of the first convolution."""
    weight = network[0].weight.data[:, 0]
    figure = new_figure(7.2, 2.7, "What the first layer looks for", "3x3 weights: red adds, blue subtracts")
    limit = float(np.abs(weight).max())
    for axes, kernel in zip(figure.subplots(2, 8).flat, weight, strict=True):
        show(axes, kernel, limit=limit)
    save(figure, path)


def plot_features(network: nn.Sequential, image: Array, path: Path) -> None:
    """Show one digit on its way through the convolutions."""
    x, steps = image[None], []
    for place, layer in enumerate(network):
        x = layer(x)
        if x.ndim == 4:
            steps.append((f"{place}: {type(layer).__name__}", x[0, :10]))
    probability = np.exp(x[0] - x[0].max())
    probability /= probability.sum()
    title = f"Read as {probability.argmax()}, with probability {probability.max():.3f}"
    figure = new_figure(
        10,
        4.9,
        title,
        "the digit, and ten feature maps behind each layer, each from black (least) to white (most)",
    )
    panels = figure.subplots(len(steps), 11)
    for axes in panels.flat:
        axes.set_axis_off()
    panels[0, 0].set_axis_on()
    show(panels[0, 0], image[0], "input")
    for row, (name, maps) in zip(panels, steps, strict=True):
        for place, (axes, feature) in enumerate(zip(row[1:], maps, strict=True)):
            axes.set_axis_on()
            show(axes, feature, name if place == 0 else "")
            axes.title.set_horizontalalignment("left")
            axes.title.set_x(0)
    save(figure, path)


@click.command()
@click.option("--output", type=click.Path(path_type=Path), default=Path("digits"), show_default=True)
@click.option("--epochs", type=click.IntRange(1), default=40, show_default=True)
@click.option("--batch", type=click.IntRange(1), default=32, show_default=True)
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Of the split, the weights and the order."
)
@click.option("--short", is_flag=True, help="Four epochs, for a quick look.")
def main(output: Path, epochs: int, batch: int, seed: int, short: bool) -> None:
    """Train a network that reads handwritten digits, and draw what it has learnt."""
    run(output, 4 if short else epochs, batch, seed)


def run(output: Path, epochs: int, batch: int, seed: int) -> tuple[nn.Sequential, Digits, History]:
    """Train, write pictures and the network, and say how well it reads."""
    output.mkdir(parents=True, exist_ok=True)
    console = Console(highlight=False)
    rng = np.random.default_rng(seed)
    digits, network = load(seed), build(rng)
    console.print(network.summary((batch, 1, 8, 8)))
    begin = time.perf_counter()
    history = train(network, digits, epochs, batch, rng)
    seconds = time.perf_counter() - begin
    network.save(output / "network.npz")
    plot_history(history, output / "history.png")
    plot_filters(network, output / "filters.png")
    plot_features(network, digits.test_images[digits.test_labels == 3][0], output / "features.png")
    console.print(
        f"{history.test_accuracy[-1]:.2%} of the held-out digits read rightly after {seconds:.1f} s"
    )
    console.print(f"pictures and the network are in {output}", style="dim")
    return network, digits, history


if __name__ == "__main__":
    main()
