"""Losses with margins."""

from __future__ import annotations

import pytest

import minitorch
from tests.ops.harness import Case, make_tests

F = minitorch.nn.functional


def with_signs(count):
    """`count` tensors and a target of 1 and -1."""

    def make(rng, shapes):
        return [
            *(rng.uniform(-2, 2, s) for s in shapes[:count]),
            rng.choice([-1, 1], shapes[count]),
        ]

    return make


def with_classes(rng, shapes):
    """Scores and one class per row."""
    return [rng.uniform(-2, 2, shapes[0]), rng.integers(0, shapes[0][-1], shapes[1])]


def with_label_sets(rng, shapes):
    """Scores and rows of distinct classes that end at -1."""
    scores = rng.uniform(-2, 2, shapes[0])
    labels = rng.permuted(rng.integers(0, 1, shapes[0]) + range(shapes[0][-1]), axis=-1)
    labels[..., shapes[0][-1] // 2] = -1
    return [scores, labels]


def f(name, **options):
    """The loss of that name as a case's function."""
    return lambda m, *args: getattr(m.nn.functional, name)(*args, **options)


REDUCTIONS = ("none", "mean", "sum")
LOOSE = {"bfloat16": (4e-2, 4e-2)}
CASES = [
    case
    for r in REDUCTIONS
    for case in (
        Case(f"hinge_embedding-{r}", f("hinge_embedding_loss", reduction=r), [[(3, 4), (3, 4)]], make=with_signs(1)),
        Case(
            f"margin_ranking-{r}",
            f("margin_ranking_loss", margin=0.5, reduction=r),
            [[(7,), (7,), (7,)]],
            make=with_signs(2),
        ),
        *(
            Case(
                f"multi_margin-{p}-{r}",
                f("multi_margin_loss", p=p, margin=0.7, reduction=r),
                [[(3, 4), (3,)], [(4,), ()]],
                make=with_classes,
                dtypes=("float32", "float64"),
                gradgrad=p == 2,
            )
            for p in (1, 2)
        ),
        Case(
            f"multilabel_margin-{r}",
            f("multilabel_margin_loss", reduction=r),
            [[(3, 4), (3, 4)], [(5,), (5,)]],
            make=with_label_sets,
            dtypes=("float32", "float64"),
            gradgrad=False,
        ),
        Case(
            f"multilabel_soft_margin-{r}",
            f("multilabel_soft_margin_loss", reduction=r),
            [[(3, 4), (3, 4)], [(5,), (5,)]],
            low=0,
            high=1,
            tolerance=LOOSE,
        ),
        Case(
            f"cosine_embedding-{r}",
            f("cosine_embedding_loss", margin=0.1, reduction=r),
            [[(3, 4), (3, 4), (3,)], [(4,), (4,), ()]],
            make=with_signs(2),
            tolerance=LOOSE,
        ),
        Case(
            f"triplet-{r}",
            f("triplet_margin_loss", swap=True, reduction=r),
            [[(3, 4), (3, 4), (3, 4)], [(4,), (4,), (4,)]],
            tolerance=LOOSE,
        ),
        Case(
            f"triplet-distance-{r}",
            f("triplet_margin_with_distance_loss", distance_function=lambda a, b: (a - b).abs().sum(-1), reduction=r),
            [[(3, 4), (3, 4), (3, 4)]],
            tolerance=LOOSE,
        ),
    )
] + [
    Case(
        "multi_margin-weight",
        lambda m, x, t: m.nn.functional.multi_margin_loss(x, t, weight=m.tensor([0.5, 1, 2, 3]).to(x.dtype)),
        [[(3, 4), (3,)]],
        make=with_classes,
        dtypes=("float32", "float64"),
        gradgrad=False,
    )
]  # fmt: skip
globals().update(make_tests(CASES))


def test_bad_labels():
    x = minitorch.zeros(2, 3)
    with pytest.raises(IndexError, match="Target 3 is out of bounds"):
        F.multi_margin_loss(x, minitorch.tensor([0, 3]))
    with pytest.raises(IndexError, match="Target 5 is out of bounds"):
        F.multilabel_margin_loss(x, minitorch.tensor([[0, 5, -1], [1, -1, 9]]))


def test_bad_arguments():
    x = minitorch.zeros(2, 3)
    with pytest.raises(ValueError, match="p == 1"):
        F.multi_margin_loss(x, minitorch.tensor([0, 1]), p=3)
    with pytest.raises(RuntimeError, match="target size"):
        F.multi_margin_loss(x, minitorch.tensor([0]))
    with pytest.raises(RuntimeError, match="same dimension"):
        F.margin_ranking_loss(x, x, x[0])
    with pytest.raises(RuntimeError, match="2D input"):
        F.cosine_embedding_loss(x[0], x[0], minitorch.ones(2))
    with pytest.raises(ValueError, match="greater than 0"):
        F.triplet_margin_loss(x, x, x, margin=0)
    with pytest.raises(RuntimeError, match="number of dimensions"):
        F.triplet_margin_loss(x, x, x[0])
