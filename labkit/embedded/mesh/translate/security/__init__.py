"""Who is let in, in Envoy's terms: RBAC, tokens, decisions made elsewhere."""
