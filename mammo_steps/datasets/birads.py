"""The outcome of a breast where a data set has BI-RADS categories and no pathology: one rule for all of them.

    1       normal
    2       benign
    5, 6    screen_detected: a suspicion, or a proof that the data set does not show
    0, 3, 4 (4a, 4b, 4c)
            unknown, no_pathology

A cancer is 95 % likely or more in category 5 (ACR BI-RADS Atlas, 5th edition), and known in category 6. In
category 4 it is anything from 2 to 95 %, in 3 at most 2 %, and 0 says that the assessment is not complete: to call
these positive or negative would be a guess, so they are left out and counted.
"""

from collections.abc import Mapping

from mammo_steps.core.terms import Outcome, Undefined

BIRADS: Mapping[str, tuple[Outcome, Undefined | None]] = {
    "1": (Outcome.NORMAL, None),
    "2": (Outcome.BENIGN, None),
    "5": (Outcome.SCREEN_DETECTED, None),
    "6": (Outcome.SCREEN_DETECTED, None),
    **dict.fromkeys(("0", "3", "4", "4a", "4b", "4c"), (Outcome.UNKNOWN, Undefined.NO_PATHOLOGY)),
}
