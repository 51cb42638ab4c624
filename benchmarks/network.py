"""A residual network of 18 layers that fastconv computes, beside the same network in PyTorch.

    python benchmarks/network.py --channels-last

Both have the same parameters and run in turn, one image at a time unless `--batch` says otherwise. Prints
medians, and how far the results differ.
"""

from __future__ import annotations

import os
import statistics
import time
from typing import Any

import click
import torch
from torch import nn

import fastconv
import fastconv.torch


class Block(nn.Module):
    """Two convolutions and a way past them."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.way = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.past: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            conv = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.past = nn.Sequential(conv, nn.BatchNorm2d(outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.way(x) + self.past(x))


def network() -> nn.Module:
    """Build the network with weights as they are before training."""
    blocks, inputs = [], 64
    for outputs, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        blocks += [Block(inputs, outputs, stride), Block(outputs, outputs, 1)]
        inputs = outputs
    return nn.Sequential(
        nn.Conv2d(3, 64, 7, 2, 3, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2, 1),
        *blocks,
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(512, 1000),
    )


def step(model: nn.Module, x: torch.Tensor, backward: bool) -> torch.Tensor:
    """Run the model, and back if wanted."""
    with torch.set_grad_enabled(backward):
        y: torch.Tensor = model(x)
        if backward:
            model.zero_grad()
            y.sum().backward()  # type: ignore[no-untyped-call]
    return y.detach()


@click.command(help=__doc__.splitlines()[0])
@click.option("--batch", default=1, show_default=True, help="Images at a time.")
@click.option("--size", default=224, show_default=True, help="Extent of an image.")
@click.option("--rounds", default=30, show_default=True, help="How often each runs.")
@click.option("--threads", default=len(os.sched_getaffinity(0)), show_default=True, help="Of either library.")
@click.option("--channels-last", is_flag=True, help="Images and weights with channels last.")
@click.option(
    "--backward", is_flag=True, help="With gradients, in training mode: nothing is folded or packed."
)
def main(batch: int, size: int, rounds: int, threads: int, channels_last: bool, backward: bool) -> None:
    torch.set_num_threads(threads)
    fastconv.set_num_threads(threads)
    torch.manual_seed(0)
    model, x = network().train(backward), torch.randn(batch, 3, size, size)
    if channels_last:
        model, x = model.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    models = {"torch": model, "fastconv": fastconv.torch.convert(model)}
    results = {name: step(m, x, backward) for name, m in models.items()}
    times: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(rounds):
        for name, m in models.items():
            # The threads of whichever ran before spin for a while.
            time.sleep(0.01)
            begin = time.perf_counter()
            step(m, x, backward)
            times[name].append(time.perf_counter() - begin)
    medians: dict[str, Any] = {name: statistics.median(found) for name, found in times.items()}
    for name, median in medians.items():
        print(f"{name:>8}  {1e3 * median:8.2f} ms, fastest {1e3 * min(times[name]):.2f}")
    print(f"torch takes {medians['torch'] / medians['fastconv']:.2f} times as long")
    error = (results["torch"] - results["fastconv"]).abs().max() / results["torch"].abs().max()
    print(f"largest difference {error:.1e} of the largest result")


if __name__ == "__main__":
    main()
