"""Arm two: the same scenario on a real broker, with real worker processes, in real time or a multiple of it.

Nothing is imported here: a worker process sets its clock before it imports anything that reads one.
"""
