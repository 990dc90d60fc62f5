"""Same seed, same bits: run after run and for any number of threads."""

import pytest

import minitorch as mt
from minitorch import nn, optim


def train(threads, make, shape, classes=10, steps=4):
    before = mt.get_num_threads()
    mt.set_num_threads(threads)
    try:
        mt.manual_seed(3)
        model = make()
        optimizer = optim.Adam(model.parameters(), lr=1e-2)
        for _ in range(steps):
            x, y = mt.randn(*shape), mt.randint(0, classes, (shape[0],))
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        return [p.detach().clone() for p in model.state_dict().values()]
    finally:
        mt.set_num_threads(before)


def cnn():
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, stride=2),
        nn.GELU(),
        nn.Dropout(0.3),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(128, 10),
    )


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
        self.head = nn.Linear(32, 10)

    def forward(self, x):
        return self.head(self.layer(x).mean(1))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(32, 48, batch_first=True)
        self.head = nn.Linear(48, 10)

    def forward(self, x):
        return self.head(self.rnn(x)[0][:, -1])


@pytest.mark.parametrize(
    ("make", "shape"),
    [(cnn, (24, 3, 32, 32)), (Transformer, (16, 40, 32)), (Recurrent, (16, 20, 32))],
)
def test_training_has_the_same_bits(make, shape):
    reference = train(1, make, shape)
    for threads in (1, 2, 3):
        for a, b in zip(reference, train(threads, make, shape)):
            assert a.equal(b), f"{threads} threads"


@pytest.mark.parametrize(
    "op",
    [
        lambda x: x.sum(),
        lambda x: x.sum(0),
        lambda x: x.var(1),
        lambda x: x.softmax(0),
        lambda x: x @ x.t(),
        lambda x: x.cumsum(0),
        lambda x: x.norm(),
        lambda x: x.sort(1)[0],
        lambda x: nn.functional.layer_norm(x, (x.shape[1],)),
        lambda x: mt.rand_like(x),
        lambda x: mt.randperm(10_000),
        lambda x: nn.functional.dropout(x, 0.5),
        lambda x: x.exp().mean(),
    ],
)
def test_ops_do_not_depend_on_threads(op):
    x = mt.randn(301, 1003)
    results = []
    for threads in (1, 2, 4):
        mt.set_num_threads(threads)
        mt.manual_seed(1)
        results.append(op(x))
    mt.set_num_threads(2)
    assert all(r.equal(results[0]) for r in results[1:])
