"""What every other folder may use, and no user: secrets that do not show, checked arguments, JSON, threads, forks.

It imports nothing of the package but its errors. Each module stands for itself.
"""
