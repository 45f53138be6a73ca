"""Who may do what: policies on tokens and requests, found for the workloads they are attached to."""
