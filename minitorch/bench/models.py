"""The networks whose training steps are timed, on any PyTorch-like module."""

from __future__ import annotations


def train_step(m, model, optimizer, x, y, loss=None):
    """zero_grad, forward, loss, backward, step."""
    loss = loss or m.nn.CrossEntropyLoss()

    def run():
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()

    return run


def linear_regression(m):
    model = m.nn.Linear(1, 1)
    optimizer = m.optim.SGD(model.parameters(), lr=0.01)
    return train_step(m, model, optimizer, m.randn(32, 1), m.randn(32, 1), m.nn.MSELoss())


def mlp(m, capturable=False):
    model = m.nn.Sequential(m.nn.Linear(784, 128), m.nn.ReLU(), m.nn.Linear(128, 10))
    optimizer = m.optim.Adam(model.parameters(), lr=1e-3, capturable=capturable)
    return train_step(m, model, optimizer, m.randn(64, 784), m.randint(0, 10, (64,)))


def lenet(m, batch):
    """The CNN of the 60-minute tutorial on 3 x 32 x 32 images."""
    nn = m.nn
    convolutions = [nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2, 2)]
    convolutions += [nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2, 2), nn.Flatten()]
    dense = [nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)]
    model = nn.Sequential(*convolutions, *dense)
    optimizer = m.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    return train_step(m, model, optimizer, m.randn(batch, 3, 32, 32), m.randint(0, 10, (batch,)))


def resnet18(m):
    """ResNet-18 for 32 x 32 images: a 3x3 stem without pooling."""
    nn = m.nn

    def convolution(i, o, k, stride):
        layer = nn.Conv2d(i, o, k, stride=stride, padding=k // 2, bias=False)
        return [layer, nn.BatchNorm2d(o)]

    class Block(nn.Module):
        def __init__(self, i, o, stride):
            super().__init__()
            first = [*convolution(i, o, 3, stride), nn.ReLU()]
            self.body = nn.Sequential(*first, *convolution(o, o, 3, 1))
            same = stride == 1 and i == o
            self.skip = nn.Identity() if same else nn.Sequential(*convolution(i, o, 1, stride))

        def forward(self, x):
            return m.nn.functional.relu(self.body(x) + self.skip(x))

    layers, i = [*convolution(3, 64, 3, 1), nn.ReLU()], 64
    for o in (64, 128, 256, 512):
        layers += [Block(i, o, 1 if o == 64 else 2), Block(o, o, 1)]
        i = o
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))


def resnet_step(m):
    model = resnet18(m)
    optimizer = m.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    return train_step(m, model, optimizer, m.randn(32, 3, 32, 32), m.randint(0, 10, (32,)))


def resnet_inference(m):
    model, x = resnet18(m), m.randn(32, 3, 32, 32)
    model.eval()

    def run():
        with m.no_grad():
            return model(x)

    return run


def gpt_step(m, capturable=False):
    """A 4-layer, 192-wide causal transformer over 8 x 128 characters."""
    nn, f = m.nn, m.nn.functional
    width, heads, length, symbols = 192, 6, 128, 65

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x):
            b, t, _ = x.shape
            parts = self.qkv(self.norm1(x)).split(width, dim=2)
            q, k, v = (p.view(b, t, heads, width // heads).transpose(1, 2) for p in parts)
            y = f.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(y.transpose(1, 2).reshape(b, t, width))
            return x + self.down(f.gelu(self.up(self.norm2(x))))

    class Gpt(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens, self.places = nn.Embedding(symbols, width), nn.Embedding(length, width)
            self.blocks = nn.Sequential(*[Block() for _ in range(4)])
            self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, symbols)

        def forward(self, i):
            x = self.tokens(i) + self.places(m.arange(i.shape[1]))
            return self.head(self.norm(self.blocks(x))).view(-1, symbols)

    model = Gpt()
    optimizer = m.optim.AdamW(model.parameters(), lr=1e-3, capturable=capturable)
    x, y = m.randint(0, symbols, (8, length)), m.randint(0, symbols, (8 * length,))
    return train_step(m, model, optimizer, x, y)


def lstm_step(m):
    nn = m.nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(100, 64)
            self.lstm = nn.LSTM(64, 128, batch_first=True)
            self.out = nn.Linear(128, 10)

        def forward(self, i):
            return self.out(self.lstm(self.embed(i))[0][:, -1])

    model = Net()
    optimizer = m.optim.Adam(model.parameters())
    return train_step(m, model, optimizer, m.randint(0, 100, (32, 32)), m.randint(0, 10, (32,)))
