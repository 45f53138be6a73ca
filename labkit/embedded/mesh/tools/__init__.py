"""istiod's ports for other programs than proxies: istioctl's questions over xDS, and the webhooks."""
