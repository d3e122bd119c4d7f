"""The adapted head: one linear layer on the features of Wu et al. 2019, trained on the labels of whole exams."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from torch import nn

from mammo_steps.core.ranking import loss_and_auc

Features = NDArray[np.float64]  # (n, k)
Targets = NDArray[np.int64]  # (n,) 0 or 1
_MOST_STEPS = 2000


@dataclass(frozen=True)
class Head:
    """margin = features @ weight + bias: the logarithm of the odds, both classes taken as equally frequent.

    penalty           the one that was chosen
    validation_loss   mean cross-entropy of the validation exams, both classes weighing alike
    """

    weight: NDArray[np.float64]
    bias: float
    penalty: float
    validation_loss: float
    validation_auc: float | None

    def margins(self, features: Features) -> NDArray[np.float64]:
        """(n,)"""
        return np.asarray(features @ self.weight + self.bias)

    def layer(self) -> nn.Linear:
        """The same as a network."""
        layer = nn.Linear(self.weight.size, 1)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(self.weight)[None])
            layer.bias.fill_(self.bias)
        return layer


def fit_head(
    train: tuple[Features, Targets], validation: tuple[Features, Targets], penalties: Sequence[float]
) -> Head:
    """Logistic regression on standardised features with an L2 penalty, that with the lowest validation loss.

    ValueError unless there are exams of both classes to train on, and exams to choose by.
    """
    features, targets = train
    if not 0 < targets.sum() < targets.size or not validation[1].size:
        raise ValueError(
            f"{int(targets.sum())} positive and {int((1 - targets).sum())} negative exams to train on, "
            f"{validation[1].size} to choose by, that have features of the published model: wanted both classes, and "
            "one at least. Take fewer folds, or do without that model (score_wu2019.weights: null)"
        )
    mean, spread = features.mean(axis=0), features.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    scaled = (features - mean) / spread
    heads = []
    with threadpool_limits(1):  # sums in another order round differently
        for penalty in penalties:
            model = LogisticRegression(C=1 / penalty, class_weight="balanced", max_iter=_MOST_STEPS)
            model.fit(scaled, targets)
            weight = model.coef_[0] / spread
            bias = float(model.intercept_[0] - weight @ mean)
            told = loss_and_auc(validation[1], validation[0] @ weight + bias, 1.0)
            heads.append(Head(weight, bias, penalty, *told))
    return min(heads, key=lambda head: (head.validation_loss, -head.penalty))
