"""Measuring: ``minitorch bench`` compares with the engines that are installed.

Nothing here imports minitorch at import: the processes that time other engines load these files
without it.
"""
