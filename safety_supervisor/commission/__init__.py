"""Measured stops of the robot against the model that every verified stop relies on."""
