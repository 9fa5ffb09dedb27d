"""The subjects of a look at a target, besides replication, whose servers the others build on."""

from activities.readiness.jobs import jobs
from activities.readiness.launch_template import launch_template
from activities.readiness.look import Subject
from activities.readiness.snapshots import snapshots

SUBJECTS: tuple[Subject, ...] = (jobs, snapshots, launch_template)
