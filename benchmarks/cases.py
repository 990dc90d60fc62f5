"""What is timed: the same functions on any PyTorch-like module. name -> (make(m), repetitions)."""

from __future__ import annotations

from functools import partial


def _step(m, model, optimizer, x, y, loss=None):
    loss = loss or m.nn.CrossEntropyLoss()

    def run():
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()

    return run


def add(m, grad):
    """One elementwise op on four elements: what a call costs."""
    x, y = m.ones(4, requires_grad=grad), m.ones(4)
    return lambda: x + y


def chain(m):
    """Ten ops and their backward on four elements."""
    x = m.ones(4, requires_grad=True)

    def run():
        y = x
        for _ in range(10):
            y = y * 1.01
        y.sum().backward()
        x.grad = None

    return run


def view(m):
    """A reshape."""
    x = m.ones(4, 4)
    return lambda: x.reshape(16)


def index(m):
    """A basic slice."""
    x = m.ones(4, 4)
    return lambda: x[1:3]


def linear_regression(m):
    """One SGD step of a 1-1 linear layer, batch 32."""
    model = m.nn.Linear(1, 1)
    optimizer = m.optim.SGD(model.parameters(), lr=0.01)
    return _step(m, model, optimizer, m.randn(32, 1), m.randn(32, 1), m.nn.MSELoss())


def mlp(m):
    """One Adam step of a 784-128-10 network, batch 64."""
    model = m.nn.Sequential(m.nn.Linear(784, 128), m.nn.ReLU(), m.nn.Linear(128, 10))
    optimizer = m.optim.Adam(model.parameters(), lr=1e-3)
    return _step(m, model, optimizer, m.randn(64, 784), m.randint(0, 10, (64,)))


def lenet(m, batch):
    """One SGD step of the tutorial CNN on 3 x 32 x 32 images."""
    nn = m.nn
    model = nn.Sequential(
        nn.Conv2d(3, 6, 5),
        nn.ReLU(),
        nn.MaxPool2d(2, 2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2, 2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )
    optimizer = m.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    return _step(m, model, optimizer, m.randn(batch, 3, 32, 32), m.randint(0, 10, (batch,)))


def transformer(m):
    """Forward and backward of a causal transformer layer, batch 8, length 128, width 192."""
    layer = m.nn.TransformerEncoderLayer(192, 6, 768, batch_first=True, dropout=0.0)
    x = m.randn(8, 128, 192, requires_grad=True)
    mask = m.nn.Transformer.generate_square_subsequent_mask(128)

    def run():
        layer(x, src_mask=mask).sum().backward()
        x.grad = None

    return run


def lstm(m):
    """Forward and backward of an LSTM, 32 steps, batch 32, 64 to 128."""
    layer = m.nn.LSTM(64, 128, batch_first=True)
    x = m.randn(32, 32, 64)

    def run():
        layer(x)[0].sum().backward()

    return run


def matmul(m, rows, inner, cols):
    """A float32 matrix product."""
    a, b = m.randn(rows, inner), m.randn(inner, cols)
    return lambda: a @ b


def convolution(m, n, c, size, out, kernel, stride, padding, backward):
    """A 2-D convolution, alone or with its backward."""
    x = m.randn(n, c, size, size, requires_grad=backward)
    w = m.randn(out, c, kernel, kernel, requires_grad=backward)
    f = m.nn.functional.conv2d
    if not backward:
        return lambda: f(x, w, stride=stride, padding=padding)
    dy = m.ones_like(f(x, w, stride=stride, padding=padding).detach())

    def run():
        f(x, w, stride=stride, padding=padding).backward(dy)
        x.grad = w.grad = None

    return run


def unary(m, name, shape):
    """An elementwise function of a large tensor."""
    x = m.randn(*shape)
    f = getattr(m.nn.functional, name, None) or getattr(m, name)
    return lambda: f(x)


def method(m, name, shape, *args):
    """A method of a large tensor."""
    f = getattr(m.randn(*shape), name)
    return lambda: f(*args)


def softmax(m, dim):
    """softmax of 4096 x 1000."""
    x = m.randn(4096, 1000)
    return lambda: m.softmax(x, dim)


def layer_norm(m):
    """layer_norm of 4096 x 768."""
    x, w, b = m.randn(4096, 768), m.ones(768), m.zeros(768)
    return lambda: m.nn.functional.layer_norm(x, (768,), w, b)


def attention(m):
    """Causal attention, batch 4, 8 heads, length 512, 64 per head."""
    q, k, v = (m.randn(4, 8, 512, 64) for _ in range(3))
    return lambda: m.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)


def adam(m):
    """One Adam step over 9.4 million parameters."""
    ps = [m.nn.Parameter(m.randn(512, 512, 3, 3)) for _ in range(4)]
    for p in ps:
        p.grad = m.randn(512, 512, 3, 3)
    return m.optim.Adam(ps).step


CASES = {
    "add 4": (partial(add, grad=False), 1000),
    "add 4, grad": (partial(add, grad=True), 1000),
    "chain of 10, fwd+bwd": (chain, 100),
    "reshape": (view, 1000),
    "index": (index, 1000),
    "linear regression step": (linear_regression, 50),
    "MLP Adam step": (mlp, 10),
    "LeNet step, batch 4": (partial(lenet, batch=4), 5),
    "LeNet step, batch 128": (partial(lenet, batch=128), 1),
    "transformer layer": (transformer, 1),
    "LSTM": (lstm, 1),
    "matmul 64": (partial(matmul, rows=64, inner=64, cols=64), 50),
    "matmul 1024": (partial(matmul, rows=1024, inner=1024, cols=1024), 1),
    "matmul 1x4096x4096": (partial(matmul, rows=1, inner=4096, cols=4096), 1),
    "conv 3x3 64": (partial(convolution, n=4, c=64, size=56, out=64, kernel=3, stride=1, padding=1, backward=False), 1),
    "conv 3x3 64, fwd+bwd": (partial(convolution, n=4, c=64, size=56, out=64, kernel=3, stride=1, padding=1, backward=True), 1),
    "exp 4M": (partial(unary, name="exp", shape=(4 << 20,)), 1),
    "gelu 4M": (partial(unary, name="gelu", shape=(4 << 20,)), 1),
    "sum 4M": (partial(method, name="sum", shape=(4 << 20,)), 1),
    "softmax 4096x1000": (partial(softmax, dim=-1), 1),
    "softmax 4096x1000, dim 0": (partial(softmax, dim=0), 1),
    "layer_norm 4096x768": (layer_norm, 1),
    "attention": (attention, 1),
    "Adam 9.4M": (adam, 1),
}  # fmt: skip
