import pytest

from mammo_steps.core.prevalence import negative_weight, rates


def test_weighted_negatives_bring_the_share_of_positives_to_the_prevalence():
    weight = negative_weight(50, 150, 0.01)
    assert weight == pytest.approx(99 * 50 / 150)
    assert 50 / (50 + 150 * weight) == pytest.approx(0.01)
    assert negative_weight(50, 150, None) == negative_weight(0, 150, 0.01) == 1.0
    with pytest.raises(ValueError, match="prevalence is 1"):
        negative_weight(1, 1, 1)


def test_rates_of_a_thousand_women():
    # ten cancers, eight found; 990 without, 99 recalled
    found = rates(0.8, 0.9, 0.01)
    assert found == pytest.approx({"recall_rate": 0.107, "ppv": 8 / 107, "npv": 891 / 893})
    assert rates(0.0, 1.0, 0.01)["ppv"] is None
    assert rates(1.0, 0.0, 0.01)["npv"] is None
