"""What types of objects there are: their names, schemas, and how bytes become objects of them."""
