import pytest

from mammo_steps.core.shares import wilson


def test_wilson_interval_of_eight_in_ten_and_of_the_extremes():
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson(0, 10)[0] == 0.0
    assert wilson(10, 10)[1] == pytest.approx(1.0)
