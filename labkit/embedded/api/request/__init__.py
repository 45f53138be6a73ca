"""A request as it comes and its answer as it goes: path, query, body, forms."""
