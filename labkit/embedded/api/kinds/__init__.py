"""The kinds, a file each: type, columns, defaults, zero values, preparation and validation together."""
