"""What a proxy shows, asks for and trusts, in Envoy's terms."""
