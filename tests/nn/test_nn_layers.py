"""Every layer against PyTorch's: repr, output, gradients."""

import numpy as np
import pytest
from nn_helpers import close, compare_layers, torch

import minitorch

mn, tn = minitorch.nn, torch.nn
rng = np.random.default_rng(0)


def x(*shape):
    return rng.standard_normal(shape).astype(np.float32)


LAYERS = [
    ("Linear", (5, 3), {}, [(4, 5)]),
    ("Linear", (5, 3), {"bias": False}, [(2, 4, 5)]),
    ("Bilinear", (3, 4, 5), {}, [(6, 3), (6, 4)]),
    ("Identity", (), {}, [(2, 3)]),
    ("Flatten", (), {}, [(2, 3, 4)]),
    ("Flatten", (0, 1), {}, [(2, 3, 4)]),
    ("Unflatten", (1, (2, 3)), {}, [(2, 6, 4)]),
    ("Conv1d", (4, 6, 3), {"padding": 1}, [(2, 4, 9)]),
    ("Conv1d", (4, 6, 3), {"padding": "same", "dilation": 2}, [(2, 4, 9)]),
    ("Conv1d", (4, 6, 3), {"padding": 2, "padding_mode": "circular"}, [(2, 4, 9)]),
    ("Conv2d", (3, 4, 3), {"stride": 2, "padding": 1}, [(2, 3, 8, 7)]),
    ("Conv2d", (4, 4, (3, 2)), {"groups": 2, "bias": False, "dilation": (1, 2)}, [(2, 4, 8, 7)]),
    ("Conv2d", (3, 4, 3), {"padding": 1, "padding_mode": "reflect"}, [(2, 3, 6, 5)]),
    ("Conv2d", (3, 4, 4), {"padding": "same", "padding_mode": "replicate"}, [(2, 3, 6, 5)]),
    ("Conv2d", (3, 4, 3), {"padding": "valid"}, [(3, 6, 5)]),
    ("Conv3d", (2, 3, 3), {"padding": 1}, [(1, 2, 4, 5, 4)]),
    ("ConvTranspose1d", (3, 4, 3), {"stride": 2, "output_padding": 1}, [(2, 3, 5)]),
    ("ConvTranspose2d", (4, 6, 3), {"stride": 2, "padding": 1, "groups": 2}, [(2, 4, 4, 5)]),
    ("ConvTranspose2d", (4, 6, 3), {"dilation": 2, "bias": False}, [(2, 4, 4, 5)]),
    ("ConvTranspose3d", (2, 3, 2), {"stride": 2}, [(1, 2, 3, 3, 3)]),
    ("MaxPool1d", (2,), {}, [(2, 3, 9)]),
    ("MaxPool2d", (3,), {"stride": 2, "padding": 1, "ceil_mode": True}, [(2, 3, 8, 7)]),
    ("MaxPool2d", ((2, 3),), {"dilation": 2}, [(2, 3, 8, 9)]),
    ("MaxPool3d", (2,), {}, [(1, 2, 4, 4, 4)]),
    ("AvgPool1d", (3,), {"stride": 2}, [(2, 3, 9)]),
    ("AvgPool2d", (3,), {"padding": 1, "count_include_pad": False}, [(2, 3, 8, 7)]),
    ("AvgPool2d", (2,), {"divisor_override": 3}, [(2, 3, 8, 7)]),
    ("AvgPool3d", (2,), {}, [(1, 2, 4, 4, 4)]),
    ("LPPool1d", (2, 3), {}, [(2, 3, 9)]),
    ("LPPool2d", (3, 2), {"stride": 1}, [(2, 3, 6, 6)]),
    ("AdaptiveAvgPool1d", (4,), {}, [(2, 3, 9)]),
    ("AdaptiveAvgPool2d", ((3, None),), {}, [(2, 3, 8, 7)]),
    ("AdaptiveAvgPool3d", (2,), {}, [(1, 2, 5, 4, 3)]),
    ("AdaptiveMaxPool1d", (4,), {}, [(2, 3, 9)]),
    ("AdaptiveMaxPool2d", ((3, 2),), {}, [(2, 3, 8, 7)]),
    ("AdaptiveMaxPool3d", (2,), {}, [(1, 2, 5, 4, 3)]),
    ("BatchNorm1d", (4,), {}, [(6, 4)]),
    ("BatchNorm1d", (4,), {"momentum": None}, [(6, 4, 3)]),
    ("BatchNorm1d", (4,), {"bias": False}, [(6, 4)]),
    ("BatchNorm2d", (3,), {"momentum": 0.3, "eps": 1e-3}, [(2, 3, 4, 5)]),
    ("BatchNorm2d", (3,), {"affine": False}, [(2, 3, 4, 5)]),
    ("BatchNorm2d", (3,), {"track_running_stats": False}, [(2, 3, 4, 5)]),
    ("BatchNorm3d", (2,), {}, [(2, 2, 3, 4, 2)]),
    ("InstanceNorm1d", (3,), {}, [(2, 3, 7)]),
    ("InstanceNorm2d", (3,), {"affine": True, "track_running_stats": True}, [(2, 3, 4, 5)]),
    ("InstanceNorm2d", (3,), {"affine": True}, [(3, 4, 5)]),
    ("InstanceNorm3d", (2,), {}, [(2, 2, 3, 4, 2)]),
    ("LayerNorm", (5,), {}, [(3, 4, 5)]),
    ("LayerNorm", ((4, 5),), {"bias": False, "eps": 1e-3}, [(3, 4, 5)]),
    ("LayerNorm", (5,), {"elementwise_affine": False}, [(3, 4, 5)]),
    ("GroupNorm", (2, 4), {}, [(3, 4, 5)]),
    ("GroupNorm", (2, 4), {"affine": False}, [(3, 4, 5, 2)]),
    ("RMSNorm", (5,), {}, [(3, 4, 5)]),
    ("RMSNorm", ((4, 5),), {"eps": 1e-3, "elementwise_affine": False}, [(3, 4, 5)]),
    ("LocalResponseNorm", (3,), {"alpha": 0.1}, [(2, 6, 4, 5)]),
    ("ConstantPad1d", (2, 1.5), {}, [(2, 3, 4)]),
    ("ConstantPad2d", ((1, 2, 0, 1), -1.0), {}, [(2, 3, 4, 5)]),
    ("ZeroPad1d", (1,), {}, [(2, 3, 4)]),
    ("ZeroPad2d", ((1, 2, 0, 1),), {}, [(2, 3, 4, 5)]),
    ("ReflectionPad1d", (2,), {}, [(2, 3, 4)]),
    ("ReflectionPad2d", ((1, 2, 0, 1),), {}, [(2, 3, 4, 5)]),
    ("ReflectionPad3d", (1,), {}, [(1, 2, 3, 4, 3)]),
    ("ReplicationPad1d", (2,), {}, [(2, 3, 4)]),
    ("ReplicationPad2d", (1,), {}, [(2, 3, 4, 5)]),
    ("ReplicationPad3d", (1,), {}, [(1, 2, 3, 4, 3)]),
    ("CircularPad1d", (2,), {}, [(2, 3, 4)]),
    ("CircularPad2d", ((1, 2, 0, 1),), {}, [(2, 3, 4, 5)]),
    ("Upsample", (), {"scale_factor": 2}, [(2, 3, 4, 5)]),
    ("Upsample", (), {"size": (7, 6), "mode": "bilinear"}, [(2, 3, 4, 5)]),
    ("Upsample", (), {"scale_factor": 2.0, "mode": "linear", "align_corners": True}, [(2, 3, 4)]),
    ("UpsamplingNearest2d", (), {"scale_factor": 2}, [(2, 3, 4, 5)]),
    ("UpsamplingBilinear2d", (), {"scale_factor": 2}, [(2, 3, 4, 5)]),
    ("PixelShuffle", (2,), {}, [(2, 8, 3, 4)]),
    ("PixelUnshuffle", (2,), {}, [(2, 2, 4, 6)]),
    ("ChannelShuffle", (2,), {}, [(2, 6, 3, 4)]),
    ("Unfold", ((2, 3),), {"padding": 1}, [(2, 3, 5, 6)]),
    ("Fold", ((4, 5), (2, 2)), {}, [(2, 12, 12)]),
    ("CosineSimilarity", (), {"dim": 1}, [(3, 4), (3, 4)]),
    ("PairwiseDistance", (), {"p": 1.0, "keepdim": True}, [(3, 4), (3, 4)]),
    ("ReLU", (), {}, [(3, 4)]),
    ("ReLU6", (), {}, [(3, 4)]),
    ("LeakyReLU", (0.2,), {}, [(3, 4)]),
    ("PReLU", (), {}, [(3, 4)]),
    ("PReLU", (4,), {"init": 0.1}, [(3, 4, 2)]),
    ("RReLU", (0.2, 0.2), {}, [(3, 4)]),
    ("ELU", (0.7,), {}, [(3, 4)]),
    ("CELU", (0.7,), {}, [(3, 4)]),
    ("SELU", (), {}, [(3, 4)]),
    ("GELU", (), {}, [(3, 4)]),
    ("GELU", (), {"approximate": "tanh"}, [(3, 4)]),
    ("SiLU", (), {}, [(3, 4)]),
    ("Mish", (), {}, [(3, 4)]),
    ("GLU", (1,), {}, [(3, 4)]),
    ("Sigmoid", (), {}, [(3, 4)]),
    ("LogSigmoid", (), {}, [(3, 4)]),
    ("Tanh", (), {}, [(3, 4)]),
    ("Tanhshrink", (), {}, [(3, 4)]),
    ("Softplus", (2.0, 1.0), {}, [(3, 4)]),
    ("Softsign", (), {}, [(3, 4)]),
    ("Hardtanh", (-0.5, 0.7), {}, [(3, 4)]),
    ("Hardsigmoid", (), {}, [(3, 4)]),
    ("Hardswish", (), {}, [(3, 4)]),
    ("Hardshrink", (), {}, [(3, 4)]),
    ("Softshrink", (), {}, [(3, 4)]),
    ("Threshold", (0.1, 20), {}, [(3, 4)]),
    ("Softmax", (), {"dim": 1}, [(3, 4)]),
    ("Softmin", (), {"dim": 0}, [(3, 4)]),
    ("LogSoftmax", (), {"dim": -1}, [(3, 4)]),
    ("Softmax2d", (), {}, [(2, 3, 4, 5)]),
]


def _id(case):
    return case[0] + "-" + ",".join([*map(str, case[1]), *(f"{k}={v}" for k, v in case[2].items())])


@pytest.mark.parametrize("case", LAYERS, ids=_id)
def test_layer(case):
    name, args, kwargs, shapes = case
    mine, theirs = getattr(mn, name)(*args, **kwargs), getattr(tn, name)(*args, **kwargs)
    compare_layers(mine, theirs, *(x(*s) for s in shapes))


@pytest.mark.parametrize(
    "case", [c for c in LAYERS if "Norm" in c[0] or "Dropout" in c[0]], ids=_id
)
def test_layer_in_evaluation(case):
    name, args, kwargs, shapes = case
    mine, theirs = getattr(mn, name)(*args, **kwargs), getattr(tn, name)(*args, **kwargs)
    inputs = [x(*s) for s in shapes]
    theirs(*(torch.from_numpy(a) for a in inputs))
    compare_layers(mine.eval(), theirs.eval(), *inputs)


@pytest.mark.parametrize("name", ["ReLU", "LeakyReLU", "ELU", "SiLU", "Hardtanh", "ReLU6", "Mish"])
def test_inplace_activation_changes_its_input(name):
    a = x(3, 4)
    t = minitorch.from_numpy(a.copy())
    layer = getattr(mn, name)(inplace=True)
    assert repr(layer) == repr(getattr(tn, name)(inplace=True))
    out = layer(t)
    want = getattr(tn, name)()(torch.from_numpy(a)).numpy()
    np.testing.assert_allclose(t.numpy(), want, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(out.numpy(), want, rtol=1e-5, atol=1e-6)


LOSSES = [
    ("L1Loss", {}, "real"),
    ("MSELoss", {"reduction": "sum"}, "real"),
    ("SmoothL1Loss", {"beta": 0.5}, "real"),
    ("HuberLoss", {"delta": 0.3, "reduction": "none"}, "real"),
    ("BCELoss", {}, "probability"),
    ("BCEWithLogitsLoss", {}, "binary"),
    ("CrossEntropyLoss", {}, "class"),
    ("CrossEntropyLoss", {"label_smoothing": 0.1, "ignore_index": 1}, "class"),
    ("CrossEntropyLoss", {"reduction": "none"}, "class"),
    ("NLLLoss", {"reduction": "sum"}, "class"),
    ("KLDivLoss", {"reduction": "batchmean"}, "probability"),
    ("PoissonNLLLoss", {"full": True}, "positive"),
    ("HingeEmbeddingLoss", {}, "sign"),
    ("SoftMarginLoss", {}, "sign"),
    ("MultiLabelSoftMarginLoss", {}, "binary"),
    ("MultiMarginLoss", {"p": 2}, "class"),
    ("MultiLabelMarginLoss", {}, "labels"),
]


@pytest.mark.parametrize("name,kwargs,target", LOSSES, ids=[f"{c[0]}-{c[1]}" for c in LOSSES])
def test_loss(name, kwargs, target):
    n, c = 6, 4
    a = x(n, c)
    b = {
        "real": lambda: x(n, c),
        "probability": lambda: rng.uniform(0.1, 0.9, (n, c)).astype(np.float32),
        "binary": lambda: rng.integers(0, 2, (n, c)).astype(np.float32),
        "positive": lambda: rng.integers(0, 5, (n, c)).astype(np.float32),
        "sign": lambda: (2 * rng.integers(0, 2, (n, c)) - 1).astype(np.float32),
        "class": lambda: rng.integers(0, c, (n,)),
        "labels": lambda: np.array([[0, 2, -1, 1]] * n),
    }[target]()
    if name == "BCELoss":
        a = 1 / (1 + np.exp(-a))

    def call(module, inp, tgt):
        return module(inp, tgt.detach())

    compare_layers(getattr(mn, name)(**kwargs), getattr(tn, name)(**kwargs), a, b, call=call)


@pytest.mark.parametrize("name", ["CrossEntropyLoss", "NLLLoss", "BCELoss", "MultiMarginLoss"])
def test_loss_with_class_weights(name):
    w = rng.uniform(0.5, 2, 4).astype(np.float32)
    a = rng.uniform(0.1, 0.9, (6, 4)).astype(np.float32)
    b = rng.integers(0, 4, (6,))
    if name == "BCELoss":
        b = rng.integers(0, 2, (6, 4)).astype(np.float32)
    mine = getattr(mn, name)(weight=minitorch.from_numpy(w.copy()))
    theirs = getattr(tn, name)(weight=torch.from_numpy(w.copy()))
    compare_layers(mine, theirs, a, b, call=lambda m, i, t: m(i, t.detach()))


def test_losses_of_three_inputs():
    y = (2 * rng.integers(0, 2, 5) - 1).astype(np.float32)

    def last_constant(m, a, b, t):
        return m(a, b, t.detach())

    compare_layers(
        mn.MarginRankingLoss(0.2), tn.MarginRankingLoss(0.2), x(5), x(5), y, call=last_constant
    )
    compare_layers(
        mn.CosineEmbeddingLoss(0.1),
        tn.CosineEmbeddingLoss(0.1),
        x(5, 3),
        x(5, 3),
        y,
        call=last_constant,
    )
    compare_layers(
        mn.TripletMarginLoss(swap=True), tn.TripletMarginLoss(swap=True), x(5, 3), x(5, 3), x(5, 3)
    )
    compare_layers(
        mn.TripletMarginWithDistanceLoss(),
        tn.TripletMarginWithDistanceLoss(),
        x(5, 3),
        x(5, 3),
        x(5, 3),
    )
    var = rng.uniform(0.5, 2, (5, 3)).astype(np.float32)
    compare_layers(mn.GaussianNLLLoss(), tn.GaussianNLLLoss(), x(5, 3), x(5, 3), var)


def test_old_reduction_arguments():
    with pytest.warns(UserWarning, match="reduction='sum'"):
        assert mn.MSELoss(size_average=False).reduction == "sum"
    with pytest.warns(UserWarning, match="reduction='none'"):
        assert mn.MSELoss(reduce=False).reduction == "none"


def test_embedding():
    i = rng.integers(0, 7, (3, 4))
    compare_layers(mn.Embedding(7, 5), tn.Embedding(7, 5), i)
    mine, theirs = mn.Embedding(7, 5, padding_idx=-1), tn.Embedding(7, 5, padding_idx=-1)
    assert mine.weight[6].abs().sum().item() == 0
    compare_layers(mine, theirs, i)
    compare_layers(
        mn.Embedding(7, 5, max_norm=1.0, norm_type=1.0),
        tn.Embedding(7, 5, max_norm=1.0, norm_type=1.0),
        i,
    )
    table = minitorch.from_numpy(x(7, 5))
    frozen = mn.Embedding.from_pretrained(table)
    assert not frozen.weight.requires_grad
    assert frozen(minitorch.tensor([2])).tolist() == [table[2].tolist()]


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_embedding_bag(mode):
    i = rng.integers(0, 7, (9,))
    offsets = np.array([0, 4, 4, 7])
    compare_layers(mn.EmbeddingBag(7, 5, mode=mode), tn.EmbeddingBag(7, 5, mode=mode), i, offsets)


def test_conv_transpose_output_size():
    mine, theirs = mn.ConvTranspose2d(2, 3, 3, stride=2), tn.ConvTranspose2d(2, 3, 3, stride=2)
    compare_layers(mine, theirs, x(1, 2, 4, 4), call=lambda m, a: m(a, output_size=[10, 9]))
    with pytest.raises(ValueError, match="requested an output size"):
        mine(minitorch.from_numpy(x(1, 2, 4, 4)), output_size=[20, 20])


def test_max_unpool():
    a = x(1, 2, 4, 4)

    def call(m, t):
        module = mn if isinstance(m, mn.Module) else tn
        y, where = module.MaxPool2d(2, return_indices=True)(t)
        return m(y, where)

    compare_layers(mn.MaxUnpool2d(2), tn.MaxUnpool2d(2), a, call=call)


@pytest.mark.parametrize(
    "name,dims", [("Dropout", 2), ("Dropout1d", 3), ("Dropout2d", 4), ("Dropout3d", 5)]
)
def test_dropout(name, dims):
    layer = getattr(mn, name)(0.25)
    assert repr(layer) == repr(getattr(tn, name)(0.25))
    ones = minitorch.ones([8, 16, 5, 4, 3][:dims])
    out = layer(ones).numpy()
    assert set(np.unique(out)) == {np.float32(0), np.float32(1 / 0.75)}
    if dims > 2:
        per_channel = out.reshape(8, 16, -1)
        assert (per_channel == per_channel[..., :1]).all()
    assert (layer.eval()(ones) == ones).all()
    with pytest.raises(ValueError, match="between 0 and 1"):
        getattr(mn, name)(1.5)


def test_lazy_layers_become_ordinary_ones():
    lazy = mn.LazyLinear(3)
    assert "in_features=0" in repr(lazy)
    assert lazy(minitorch.ones(2, 5)).shape == (2, 3)
    assert type(lazy) is mn.Linear
    assert tuple(lazy.weight.shape) == (3, 5)
    conv = mn.LazyConv2d(4, 3, padding=1)
    assert conv(minitorch.ones(1, 2, 5, 5)).shape == (1, 4, 5, 5)
    assert type(conv) is mn.Conv2d
    assert repr(conv) == "Conv2d(2, 4, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))"
    up = mn.LazyConvTranspose2d(4, 2, stride=2)
    assert up(minitorch.ones(1, 2, 5, 5)).shape == (1, 4, 10, 10)
    norm = mn.LazyBatchNorm2d()
    norm(minitorch.ones(2, 6, 3, 3))
    assert type(norm) is mn.BatchNorm2d
    assert tuple(norm.running_mean.shape) == (6,)
    assert norm.num_features == 6


def test_adaptive_softmax():
    args = (8, 12, [3, 7])
    target = np.array([0, 11, 5, 2, 7, 3])
    mine, theirs = mn.AdaptiveLogSoftmaxWithLoss(*args), tn.AdaptiveLogSoftmaxWithLoss(*args)
    compare_layers(mine, theirs, x(6, 8), target)
    a = x(4, 8)
    close(
        mine.log_prob(minitorch.from_numpy(a.copy())), theirs.log_prob(torch.from_numpy(a.copy()))
    )
    close(mine.predict(minitorch.from_numpy(a.copy())), theirs.predict(torch.from_numpy(a.copy())))
    with pytest.raises(RuntimeError, match="Target values"):
        mine(minitorch.from_numpy(a), minitorch.tensor([0, 1, 2, 12]))
    with pytest.raises(ValueError, match="cutoffs"):
        mn.AdaptiveLogSoftmaxWithLoss(8, 12, [7, 3])


@pytest.mark.parametrize(
    "make,error",
    [
        (lambda: mn.Conv2d(3, 4, 3, groups=2), ValueError),
        (lambda: mn.Conv2d(3, 4, 3, stride=2, padding="same"), ValueError),
        (lambda: mn.Conv2d(3, 4, 3, padding_mode="mirror"), ValueError),
        (lambda: mn.ConvTranspose2d(3, 4, 3, padding_mode="reflect"), ValueError),
        (lambda: mn.GroupNorm(2, 3), ValueError),
        (lambda: mn.LSTM(3, 4, proj_size=4), ValueError),
        (lambda: mn.GRU(3, 4, proj_size=2), ValueError),
        (lambda: mn.MultiheadAttention(5, 2), AssertionError),
        (lambda: mn.BatchNorm2d(3)(minitorch.ones(2, 3)), ValueError),
        (lambda: mn.Embedding(3, 2, padding_idx=5), AssertionError),
    ],
)
def test_bad_arguments(make, error):
    with pytest.raises(error):
        make()
