"""What all tests share."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# Time is never a test here: CI machines are slow and noisy by turns.
settings.register_profile("grader", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("grader")
