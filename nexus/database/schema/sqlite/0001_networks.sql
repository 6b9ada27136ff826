-- Network records: the desired state (nexus.model.Network). Times are ISO 8601 text, UTC; lists are JSON text; truth
-- values are 0 and 1; resources are cores and 10^9 bytes. swarm_key and rpc_bearers are secrets, kept as text: the file is
-- readable by its owner alone.
CREATE TABLE networks (
    name TEXT NOT NULL PRIMARY KEY,
    desired_state TEXT NOT NULL CHECK (desired_state IN ('online', 'offline')),
    users TEXT NOT NULL,
    gateway_public INTEGER NOT NULL CHECK (gateway_public IN (0, 1)),
    gateway_subdomains INTEGER NOT NULL CHECK (gateway_subdomains IN (0, 1)),
    api_allowed_origins TEXT NOT NULL,
    swarm_key TEXT NOT NULL,
    rpc_bearers TEXT NOT NULL,
    bootstrap_peers TEXT NOT NULL,
    cpus REAL NOT NULL,
    memory_gb REAL NOT NULL,
    disk_gb REAL NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    activated_at TEXT,
    activation_reason TEXT NOT NULL,
    deactivated_at TEXT,
    deactivation_reason TEXT NOT NULL
);
