"""What kinds are made of: columns, checks of names and labels, CEL rules."""
