"""How thoroughly the simulation is searched: WNM_HYPOTHESIS=thorough for a long search, else a fixed short one."""

import os
from typing import Any

from hypothesis import HealthCheck, settings

COMMON: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
}
settings.register_profile(
    "ordinary", max_examples=300, stateful_step_count=40, derandomize=True, database=None, **COMMON
)
settings.register_profile("thorough", max_examples=3000, stateful_step_count=60, print_blob=True, **COMMON)
settings.load_profile(os.environ.get("WNM_HYPOTHESIS", "ordinary"))
