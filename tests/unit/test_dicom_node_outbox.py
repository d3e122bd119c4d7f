"""When a node may give up what it could not send; the rest of the outbox is tested with the queue."""

from mammo_steps.core.dicom_node_outbox import Trial


def test_what_waits_is_tried_for_the_longest_wait_after_a_start() -> None:
    trial = Trial(100, wall=5000, steady=0)
    assert not trial.is_over(5060, 60) and not trial.is_over(5100, 100)
    assert trial.is_over(5101, 101)


def test_a_clock_set_ahead_or_a_machine_that_slept_begins_anew() -> None:
    trial = Trial(100, wall=5000, steady=0)
    assert trial.is_over(5200, 200)
    assert not trial.is_over(90_000, 260)
    assert not trial.is_over(90_060, 320) and trial.is_over(90_120, 380)


def test_small_corrections_of_the_clock_and_one_set_back_change_nothing() -> None:
    trial = Trial(100, wall=5000, steady=0)
    assert not trial.is_over(5090, 60) and trial.is_over(4000, 120)
