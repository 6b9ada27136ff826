#!/bin/sh
# Asserts what Nexus decided, at every start of the node, before the daemon (Kubo's image runs /container-init.d/*.sh).
# Everything that matters is said anew each time, so nothing that was changed in the repository outlives a restart.
# Runs as the image's user, with busybox. Prints nothing that is secret.
set -eu
umask 077

assets=/container-init.d
bare="$IPFS_PATH/config.bare"
merged="$IPFS_PATH/config.merged"

# Kubo touches no configuration of a repository that is older than itself, and a migration writes settings: so first. A
# repository without a key was made a moment ago, by the Kubo that is here; where that is wrong, `config replace` fails,
# and the next start finds the key.
[ ! -e "$IPFS_PATH/swarm.key" ] || ipfs repo migrate
install -m 0400 "$assets/swarm.key" "$IPFS_PATH/swarm.key"

# Two files from the repository's `config`, which Kubo writes with two spaces of indentation, a key a line:
# - bare: only what makes the repository itself, its identity and the layout of its datastore. `config replace` merges
#   into what is there, so whatever an earlier state left (an API user, a pinning service) must go before it;
# - merged: settings.json, with the peer id and the datastore's layout in their places.
awk -v bare="$bare" -v merged="$merged" '
    function put(value) {
        comma = sub(/,$/, "")
        sub(/"@[A-Za-z]+@"$/, "")
        return $0 value (comma ? "," : "")
    }
    FNR == NR && /^  "/ { section = $1 }
    FNR == NR && section == "\"Identity\":" && /^    "/ {
        sub(/,$/, "")
        identity = identity (identity ? ",\n" : "") $0
        if ($1 == "\"PeerID\":") peer = $2
    }
    FNR == NR && section == "\"Datastore\":" && /^    "Spec": \{$/ { inside = 1; spec = "{"; next }
    FNR == NR && inside { spec = spec "\n" (/^    }/ ? "    }" : $0); inside = !/^    }/ }
    FNR == NR { next }
    $2 ~ /^"@PeerID@",?$/ { $0 = put(peer) }
    $2 ~ /^"@Spec@",?$/ { $0 = put(spec) }
    { print >merged }
    END {
        if (!peer || !spec || inside) {
            print "nexus: the configuration in the repository is damaged" >"/dev/stderr"
            exit 1
        }
        print "{\n  \"Identity\": {\n" identity "\n  },\n  \"Datastore\": {\n    \"Spec\": " spec "\n  }\n}" >bare
    }
' "$IPFS_PATH/config" "$assets/settings.json"

mv "$bare" "$IPFS_PATH/config"
ipfs config replace "$merged"
rm "$merged"
