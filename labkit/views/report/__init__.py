"""Reports as pages: one learner's, and a class's. Each is one file that asks nobody for anything."""
