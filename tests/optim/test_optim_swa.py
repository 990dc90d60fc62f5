"""Averages of weights against PyTorch's."""

import numpy as np
import pytest
from optim_helpers import close, torch

import minitorch


def net(lib):
    torch.manual_seed(3)
    theirs = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    if lib is torch:
        return theirs
    mine = minitorch.nn.Sequential(minitorch.nn.Linear(2, 3), minitorch.nn.BatchNorm1d(3))
    state = {k: minitorch.from_numpy(np.array(v.numpy())) for k, v in theirs.state_dict().items()}
    mine.load_state_dict(state)
    return mine


def averages(lib, **kwargs):
    model = net(lib)
    average = lib.optim.swa_utils.AveragedModel(model, **kwargs)
    for step in range(4):
        with lib.no_grad():
            for p in model.parameters():
                p.add_(0.1 * (step + 1))
        model[1].running_mean.add_(1.0)
        average.update_parameters(model)
    return average


@pytest.mark.parametrize("buffers", [True, False])
@pytest.mark.parametrize("kind", [None, "ema", "ema multi", "swa", "swa multi"])
def test_averaged_model(kind, buffers):
    if kind == "swa multi" and buffers:
        pytest.skip("PyTorch cannot average integer buffers this way")
    results = []
    for lib in (minitorch, torch):
        u = lib.optim.swa_utils
        kwargs = {
            None: {},
            "ema": {"avg_fn": u.get_ema_avg_fn(0.9)},
            "ema multi": {"multi_avg_fn": u.get_ema_multi_avg_fn(0.9)},
            "swa": {"avg_fn": u.get_swa_avg_fn()},
            "swa multi": {"multi_avg_fn": u.get_swa_multi_avg_fn()},
        }[kind]
        results.append(averages(lib, use_buffers=buffers, **kwargs).state_dict())
    assert list(results[0]) == list(results[1])
    for name, value in results[1].items():
        close(results[0][name], value)


def test_update_bn():
    data = np.random.default_rng(0).standard_normal((3, 8, 2)).astype(np.float32)
    states = []
    for lib in (minitorch, torch):
        model = net(lib).eval()
        batches = [[lib.from_numpy(d.copy()), None] for d in data]
        lib.optim.swa_utils.update_bn(batches, model)
        assert not model.training and model[1].momentum == 0.1
        states.append(model.state_dict())
    for name, value in states[1].items():
        close(states[0][name], value)


def test_decay_is_checked():
    with pytest.raises(ValueError, match="Invalid decay"):
        minitorch.optim.swa_utils.get_ema_avg_fn(1.5)
