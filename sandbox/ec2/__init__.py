"""What moto's EC2 lacks for recoveries: networks to recover into, and launch templates of DRS.

Tested in tests/sandbox/ec2/.
"""
