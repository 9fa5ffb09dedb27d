"""The subjects of a look at a target, besides replication, whose servers the others build on."""

from activities.readiness.jobs import jobs
from activities.readiness.launch.launch_template import launch_template
from activities.readiness.launch.snapshots import snapshots
from activities.readiness.look import Subject
from activities.readiness.steps import steps

SUBJECTS: tuple[Subject, ...] = (jobs, snapshots, launch_template, steps)
WITHOUT_SERVERS: tuple[Subject, ...] = (steps,)
"""Those of a target in which DRS launches nothing."""
