"""Who is who in the mesh: the certificate authority, SPIFFE identities, and each proxy's certificate."""
