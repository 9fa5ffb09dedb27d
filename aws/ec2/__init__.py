"""Launch templates, instances and subnets of EC2.

Tested in tests/aws/ec2/.
"""
