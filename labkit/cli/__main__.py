"""``python -m labkit.cli``, where the console script is not on the path."""

from labkit.cli import main

main()
