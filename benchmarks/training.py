"""Training the network of examples/digits.py, beside the same network in PyTorch on the processor.

    python benchmarks/training.py --seeds 5

Each runs in processes of its own, in turn, with the same split, optimiser, learning rates and threads.
Prints the median time of an epoch (evaluation apart) and how many of
the held-out digits each reads rightly.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

EXAMPLES = Path(__file__).parent.parent / "examples"
sys.path.insert(0, str(EXAMPLES))


def theirs(rng: np.random.Generator) -> Any:
    """The network of the example in PyTorch."""
    import torch
    from torch import nn

    torch.manual_seed(int(rng.integers(2**31)))
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.3), nn.Linear(128, 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 10),
    )  # fmt: skip


def train_theirs(epochs: int, batch: int, seed: int) -> dict[str, Any]:
    import torch

    import digits

    torch.set_num_threads(threads())
    rng, data = np.random.default_rng(seed), digits.load(seed)
    network = theirs(rng)
    images, labels = torch.from_numpy(data.images), torch.from_numpy(data.labels)
    optimizer, criterion, times = torch.optim.Adam(network.parameters()), torch.nn.CrossEntropyLoss(), []
    for epoch in range(epochs):
        optimizer.param_groups[0]["lr"] = digits.learning_rate(epoch, epochs)
        begin = time.perf_counter()
        network.train()
        order = torch.from_numpy(rng.permutation(len(labels)))
        for chosen in order.split(batch):
            optimizer.zero_grad()
            loss = criterion(network(images[chosen]), labels[chosen])
            loss.item()  # the example adds up losses
            loss.backward()
            optimizer.step()
        times.append(time.perf_counter() - begin)
    with torch.no_grad():
        read = network.eval()(torch.from_numpy(data.test_images)).argmax(1).numpy()
    return {"epoch": statistics.median(times), "accuracy": float(np.mean(read == data.test_labels))}


def train_ours(epochs: int, batch: int, seed: int) -> dict[str, Any]:
    import digits
    import fastconv
    from fastconv import nn

    fastconv.set_num_threads(threads())
    rng, data = np.random.default_rng(seed), digits.load(seed)
    network = digits.build(rng)
    optimizer, times = nn.Adam(network.parameters()), []
    for epoch in range(epochs):
        optimizer.lr = digits.learning_rate(epoch, epochs)
        begin = time.perf_counter()
        digits.train_epoch(network, optimizer, data.images, data.labels, batch, rng)
        times.append(time.perf_counter() - begin)
    share = digits.accuracy(network, data.test_images, data.test_labels)
    return {"epoch": statistics.median(times), "accuracy": share}


def threads() -> int:
    """As many as there are processors to run on, for both."""
    return len(os.sched_getaffinity(0))


def in_a_process(library: str, options: argparse.Namespace, seed: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--only", library, "--seed", str(seed)]
    command += ["--epochs", str(options.epochs), "--batch", str(options.batch)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found: dict[str, Any] = json.loads(answer)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="how many runs of each")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--only", choices=("fastconv", "torch"), help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        train = train_ours if options.only == "fastconv" else train_theirs
        print(json.dumps(train(options.epochs, options.batch, options.seed)))
        return
    found: dict[str, list[dict[str, Any]]] = {"fastconv": [], "torch": []}
    print(f"{'seed':>4}  {'fastconv':>20}  {'torch':>20}")
    for seed in range(options.seeds):
        for library, runs in found.items():
            runs.append(in_a_process(library, options, seed))
        cells = (f"{1e3 * runs[-1]['epoch']:9.1f} ms {runs[-1]['accuracy']:8.2%}" for runs in found.values())
        print(f"{seed:>4}  " + "  ".join(cells), flush=True)
    epoch = {library: statistics.median(run["epoch"] for run in runs) for library, runs in found.items()}
    mean = {library: statistics.mean(run["accuracy"] for run in runs) for library, runs in found.items()}
    print(
        f"an epoch of torch takes {epoch['torch'] / epoch['fastconv']:.2f} times as long as one of fastconv;"
    )
    print(f"on average fastconv reads {mean['fastconv']:.2%}, torch {mean['torch']:.2%}")


if __name__ == "__main__":
    main()
