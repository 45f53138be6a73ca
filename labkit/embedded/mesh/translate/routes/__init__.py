"""Which request goes where: virtual hosts, routes, and what is done on the way."""
