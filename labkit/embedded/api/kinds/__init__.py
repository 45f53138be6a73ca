"""What is particular to a kind: columns, defaults, zero values, preparation, validation."""
