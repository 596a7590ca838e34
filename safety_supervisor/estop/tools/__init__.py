"""What people do at a desk with an e-stop line: emulate a device, watch a line, test a button.

Nothing here runs in the control process.
"""
