"""Grading what students hand in, without trusting it.

A kernel runs a submission in a sandbox (sandbox.py). What talks to it, reads
what it shows and keeps the points is outside (kernel.py, run.py), and so are
nbgrader and its gradebook (course.py).
"""
