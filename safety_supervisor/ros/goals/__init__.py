"""FollowJointTrajectory: goals of action clients, on the way of every trajectory."""
