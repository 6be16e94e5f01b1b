"""A study's steps, in order, kept up to date: `run` a study, `plan` what it allows, watch every `Event`."""

from __future__ import annotations

from rechallenge.pipeline.events import Event, Progress
from rechallenge.pipeline.execute import execute
from rechallenge.pipeline.plan import PlanError, plan
from rechallenge.pipeline.run import run

__all__ = ["Event", "PlanError", "Progress", "execute", "plan", "run"]
