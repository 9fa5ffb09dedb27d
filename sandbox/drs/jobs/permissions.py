"""The actions that DRS does in a job with the credentials of its caller.

Source: the "dependent actions" of `StartRecovery` and `TerminateRecoveryInstances` in the Service
Authorization Reference of AWS; for disks with a key of their own, those of
`UpdateReplicationConfiguration`. At which step the lack of one shows is an assumption: no recorded
job lacks a permission.
"""

from __future__ import annotations

CONVERSION = (
    "ec2:DescribeAccountAttributes",
    "ec2:DescribeAvailabilityZones",
    "ec2:DescribeSnapshots",
    "ec2:CreateSnapshot",
    "ec2:CreateTags",
    "ec2:DescribeVolumes",
    "ec2:CreateVolume",
    "ec2:AttachVolume",
    "ec2:DetachVolume",
    "ec2:DeleteVolume",
    "ec2:DeleteSnapshot",
    "iam:PassRole",
)
KEY = ("kms:DescribeKey", "kms:CreateGrant")
LAUNCH = (
    "drs:ListTagsForResource",
    "drs:CreateRecoveryInstanceForDrs",
    "ec2:DescribeImages",
    "ec2:DescribeInstanceTypes",
    "ec2:DescribeSubnets",
    "ec2:DescribeSecurityGroups",
    "ec2:AuthorizeSecurityGroupEgress",
    "ec2:AuthorizeSecurityGroupIngress",
    "ec2:RevokeSecurityGroupEgress",
    "ec2:DescribeLaunchTemplates",
    "ec2:DescribeLaunchTemplateVersions",
    "ec2:CreateLaunchTemplate",
    "ec2:CreateLaunchTemplateVersion",
    "ec2:ModifyLaunchTemplate",
    "ec2:DeleteLaunchTemplateVersions",
    "ec2:RunInstances",
    "ec2:StartInstances",
    "ec2:StopInstances",
    "ec2:TerminateInstances",
    "ec2:DescribeInstances",
    "ec2:DescribeInstanceAttribute",
    "ec2:DescribeInstanceStatus",
    "ec2:ModifyInstanceAttribute",
)
TERMINATION = (
    "drs:DescribeSourceServers",
    "ec2:DescribeInstances",
    "ec2:DescribeVolumes",
    "ec2:TerminateInstances",
    "ec2:DeleteVolume",
)
