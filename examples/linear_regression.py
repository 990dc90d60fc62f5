"""Fit a line: the smallest complete training program.

    python examples/linear_regression.py

Draws points around y = 3 x - 1, learns slope and intercept by gradient descent, and compares them with the exact
least-squares solution.
"""

from __future__ import annotations

import argparse

import minitorch as torch
from minitorch import nn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=200)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--lr", type=float, default=0.3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    torch.manual_seed(options.seed)
    x = torch.rand(options.points, 1) * 2 - 1
    y = 3 * x - 1 + 0.1 * torch.randn(options.points, 1)

    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=options.lr)
    loss_fn = nn.MSELoss()
    for step in range(options.steps):
        loss = loss_fn(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % max(options.steps // 10, 1) == 0 or step == options.steps - 1:
            print(f"step {step:4d}  loss {loss.item():.5f}")

    slope, intercept = model.weight.item(), model.bias.item()
    centred = x - x.mean()
    exact = ((centred * y).sum() / (centred * centred).sum()).item()
    offset = (y.mean() - exact * x.mean()).item()
    print(f"learned  y = {slope:.4f} x + {intercept:.4f}")
    print(f"exact    y = {exact:.4f} x + {offset:.4f}")


if __name__ == "__main__":
    main()
