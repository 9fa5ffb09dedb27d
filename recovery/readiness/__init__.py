"""What is known of a plan before it is started: findings judged from evidence. Pure."""
