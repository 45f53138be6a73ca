"""Who asks, and what they may: authentication, impersonation, RBAC, and the reviews that tell of them."""
