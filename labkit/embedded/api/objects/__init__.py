"""What can be done with objects: the verbs, listing, watching, writing, and how they are shown."""
