"""What Kubo needs: container spec, labels, start-up settings, swarm key, RPC calls."""
