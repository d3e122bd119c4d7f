import numpy as np
import pytest

from mammo_steps.core.history import Epoch, best_epoch, history_csv
from mammo_steps.core.ranking import loss_and_auc


def epoch(number: int, auc: float | None, loss: float) -> Epoch:
    return Epoch(number, 1, 1, 0.1, 0.5, loss, auc)


def test_the_best_epoch_has_the_lowest_loss_then_comes_first() -> None:
    assert best_epoch([epoch(0, 0.7, 0.6), epoch(1, 0.9, 4.4), epoch(2, 0.8, 0.5), epoch(3, 0.8, 0.5)]) == 2


def test_negatives_weigh_as_much_as_in_training_however_many_there_are() -> None:
    targets, margin = np.array([1, 0, 0, 0, 0]), np.array([2.0, 1.0, 1.0, -1.0, -1.0])
    of_negatives = (np.log1p(np.exp(1.0)) + np.log1p(np.exp(-1.0))) / 2
    loss, auc = loss_and_auc(targets, margin, 2.0)
    assert loss == pytest.approx((np.log1p(np.exp(-2.0)) + 2 * of_negatives) / 3) and auc == 1.0
    loss, auc = loss_and_auc(targets[1:], margin[1:], 2.0)
    assert loss == pytest.approx(of_negatives) and auc is None


def test_an_epoch_whose_outputs_overflowed_is_not_kept() -> None:
    nan, inf = float("nan"), float("inf")
    assert best_epoch([epoch(0, nan, nan), epoch(1, 0.6, 0.5), epoch(2, 0.9, inf), epoch(3, 0.7, 0.6)]) == 1
    assert best_epoch([epoch(0, None, nan), epoch(1, None, 0.5)]) == 1


@pytest.mark.parametrize("margin", [float("inf"), -float("inf"), float("nan")])
@pytest.mark.parametrize("place", [0, 4])
def test_a_margin_that_is_not_finite_makes_its_epoch_infinitely_bad_whatever_its_target(
    margin: float, place: int
) -> None:
    targets, margins = np.array([1, 1, 0, 0, 0]), np.array([3.0, 2.0, -9.0, -9.0, -9.0])
    sound = loss_and_auc(targets, np.array([1.0, 2.0, -1.0, -2.0, 0.1]), 2.0)
    margins[place] = margin
    loss, auc = loss_and_auc(targets, margins, 2.0)
    assert (loss, auc) == (float("inf"), None)
    assert best_epoch([epoch(0, auc, loss), epoch(1, sound[1], sound[0])]) == 1


def test_without_an_auc_the_loss_decides() -> None:
    assert best_epoch([epoch(0, None, 0.5), epoch(1, None, 0.4)]) == 1
    assert history_csv([epoch(0, None, 0.5)]).splitlines()[1] == "1,1,1,0.1,0.5,0.5,,1"


def test_a_margin_that_is_not_finite_is_the_worst_there_is() -> None:
    """A positive at infinity would lose nothing."""
    targets = np.array([1, 1, 0])
    for wrong in (np.inf, -np.inf, np.nan):
        assert loss_and_auc(targets, np.array([wrong, 2.0, -1.0]), 2.0) == (np.inf, None)
