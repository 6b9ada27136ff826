"""Docker through its SDK on a thread pool of its own; knows nothing of IPFS."""
