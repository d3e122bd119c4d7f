from dataclasses import replace

import pytest
from bright import SETTINGS

from mammo_steps.core.fit_settings import rate_at


def test_one_cycle_rises_to_the_top_at_30_per_cent_and_falls_to_nothing() -> None:
    assert rate_at(0.0, "one_cycle") == pytest.approx(0.04)
    assert rate_at(0.3, "one_cycle") == pytest.approx(1.0)
    assert rate_at(0.65, "one_cycle") == pytest.approx(0.5)
    assert rate_at(1.0, "one_cycle") == pytest.approx(0.0)
    assert rate_at(0.9, "constant") == 1.0


def test_cosine_starts_at_the_top_and_falls_to_nothing() -> None:
    assert rate_at(0.0, "cosine") == pytest.approx(1.0)
    assert rate_at(0.5, "cosine") == pytest.approx(0.5)
    assert rate_at(1.0, "cosine") == pytest.approx(0.0)


def test_an_unknown_schedule_is_refused() -> None:
    with pytest.raises(ValueError, match="schedule is 'step', wanted one of"):
        replace(SETTINGS, schedule="step")
