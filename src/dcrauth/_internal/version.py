"""The version of the package, which stands here only: the build reads it, and nothing looks for it at run time."""

__version__ = "0.1.0"
