"""A smoke test of the whole in two seconds: train a network, save it, load it, get the same numbers."""

import minitorch as torch
from minitorch import nn, optim


def test_learns_xor(tmp_path):
    torch.manual_seed(0)
    x = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    y = torch.tensor([0, 1, 1, 0])
    model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
    optimizer = optim.Adam(model.parameters(), lr=0.05)
    for _ in range(150):
        optimizer.zero_grad()
        loss = nn.CrossEntropyLoss()(model(x), y)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05
    assert model(x).argmax(1).tolist() == y.tolist()
    torch.save(model.state_dict(), tmp_path / "xor.safetensors")
    copy = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
    copy.load_state_dict(torch.load(tmp_path / "xor.safetensors"))
    assert copy(x).tolist() == model(x).tolist()


def test_convolution_learns():
    torch.manual_seed(0)
    x = torch.zeros(16, 1, 8, 8)
    y = torch.arange(16) % 2
    x[y == 1, :, 3] = 1.0  # rows against columns
    x[y == 0, :, :, 3] = 1.0
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 2)
    )
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(30):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1
