"""What a job asks a cluster for: memory and a time limit above its estimate, more at each further attempt."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mammo_steps.core.cost_figures import SNAKEMAKE_MB
from mammo_steps.core.costs import costs_of
from mammo_steps.core.rule_cost import RuleCost
from mammo_steps.core.study_size import size_of

LEAST_MB, LEAST_MINUTES = 500, 10
MEMORY_MARGIN = 1.3  # over the estimate of the step itself
MORE_MEMORY = 1.5  # at each further attempt


@dataclass(frozen=True)
class JobLimits:
    """Of the first attempt, before rounding; `longest_minutes` bounds the time limit of every attempt."""

    memory_mb: float
    minutes: float
    longest_minutes: int | None

    def mem_mb(self, attempt: int) -> int:
        """Memory in MB: half as much again at each further attempt, in steps of 100."""
        growth = float(MORE_MEMORY ** (attempt - 1))
        return 100 * math.ceil(max(LEAST_MB, self.memory_mb) * growth / 100)

    def runtime(self, attempt: int) -> int:
        """Time limit in minutes: twice as long at each further attempt."""
        minutes = math.ceil(max(LEAST_MINUTES, self.minutes)) << (attempt - 1)
        return minutes if self.longest_minutes is None else min(minutes, self.longest_minutes)


def limits_of(config: Mapping[str, Any]) -> dict[str, JobLimits]:
    """Every rule's limits, from the config's own size: of an archive that of full shards."""
    return limits_from(config, costs_of(config, size_of(config)))


def limits_from(config: Mapping[str, Any], costs: Mapping[str, RuleCost]) -> dict[str, JobLimits]:
    """Every rule's limits from its cost: a margin over its memory, with snakemake's own; a factor over its time."""
    plan = config["plan"]
    return {
        rule: JobLimits(
            MEMORY_MARGIN * cost.memory_mb + SNAKEMAKE_MB,
            plan["safety"] * cost.wall_s / 60,
            plan["longest_minutes"],
        )
        for rule, cost in costs.items()
    }
