// SPDX-License-Identifier: Apache-2.0

import Glibc
import TestSupport

extension FaultyCluster {
    private static let cluster = "faults"

    func environment(of node: String) -> [String: String] {
        [
            "TRUNKLINE_CONFIG": self.configurationPath(node),
            "TRUNKLINE_MESH_SECRET": TestCluster.meshSecret,
            "TRUNKLINE_TOKEN_SECRET": TestCluster.tokenSecret,
            "PATH": "/usr/bin:/bin",
            // A crash is found by its exit status; its report would only hold up the restart.
            "SWIFT_BACKTRACE": "enable=no",
        ]
    }

    func writeConfigurations() throws {
        for node in self.nodes {
            guard let file = fopen(self.configurationPath(node.name), "w") else {
                throw Failure(description: "no configuration could be written: errno \(errno)")
            }
            fputs(self.configuration(of: node), file)
            fclose(file)
        }
    }

    private func configurationPath(_ node: String) -> String { "\(self.folder)/\(node).yaml" }

    /// The cluster as one node sees it: its own addresses are real, those of the others are its relays. All that a node
    /// waits for has its default, so that the figures are those of a cluster as it is delivered.
    private func configuration(of node: Node) -> String {
        let redis = self.redis.ports.indices.map { "127.0.0.1:\(self.port(node, Self.place(Self.redisName, $0)))" }
        var text =
            "cluster: \(Self.cluster)\nredis:\n  url: redis://\(redis.joined(separator: ","))\nshards:\n"
        for shard in self.shards {
            let ports = shard.ports.indices.map { index in
                // An edge has no connection to a shard, only its name.
                node.isRouter ? self.port(node, Self.place(shard.name, index)) : shard.ports[index]
            }
            text += """
                  - name: \(shard.name)
                    connection: host=127.0.0.1,127.0.0.1 port=\(ports[0]),\(ports[1]) user=postgres \
                dbname=\(Self.database) target_session_attrs=read-write

                """
        }
        text += "nodes:\n"
        for other in self.nodes {
            text += "  - name: \(other.name)\n    role: \(other.isRouter ? "router" : "edge")\n"
            if let mesh = other.meshPort {
                text += "    mesh: 127.0.0.1:\(other == node ? mesh : self.port(node, other.name))\n"
            }
            text += "    http: 127.0.0.1:\(other.httpPort)\n"
        }
        return text + """
            # Hashing is made cheap, and a token lives as long as the run: accounts are not what is broken here.
            passwords:
              scrypt_log2_n: 10
            tokens:
              access_lifetime: 24h
            # Small, so that a slow reader reaches it.
            limits:
              session_unsent_bytes: 64KiB

            """
    }

    private func port(_ node: Node, _ target: String) -> UInt16 {
        self.relays[RelayKey(from: node.name, to: target)]?.port ?? 0
    }

    // MARK: - What the databases write down

    /// Triggers that keep every view there ever was, and for every statement that stored messages the router and the epoch
    /// in force in the same transaction. Statements of the program find themselves unchanged.
    func writeDownHistory() async throws {
        let shards = self.shards
        try await onThread {
            for shard in shards { try shard.primary.run(sql: Self.history, database: Self.database) }
        }
    }

    private static let history = """
        CREATE TABLE run_views (
            number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            epoch bigint NOT NULL, routers text[] NOT NULL, changed_by text NOT NULL
        );
        CREATE TABLE run_writes (
            number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            conversation_id uuid NOT NULL, epoch bigint NOT NULL, router text NOT NULL,
            first_seq bigint NOT NULL, last_seq bigint NOT NULL
        );
        CREATE FUNCTION run_view_changed() RETURNS trigger LANGUAGE plpgsql AS $body$
        BEGIN
            INSERT INTO run_views (epoch, routers, changed_by) VALUES (NEW.epoch, NEW.routers, NEW.changed_by);
            RETURN NULL;
        END
        $body$;
        CREATE TRIGGER run_view_changed AFTER INSERT OR UPDATE ON shard_view
            FOR EACH ROW EXECUTE FUNCTION run_view_changed();
        CREATE FUNCTION run_messages_stored() RETURNS trigger LANGUAGE plpgsql AS $body$
        BEGIN
            INSERT INTO run_writes (conversation_id, epoch, router, first_seq, last_seq)
            SELECT conversation_id, (SELECT epoch FROM shard_view), current_setting('application_name'),
                min(seq), max(seq)
            FROM stored GROUP BY conversation_id;
            RETURN NULL;
        END
        $body$;
        CREATE TRIGGER run_messages_stored AFTER INSERT ON messages REFERENCING NEW TABLE AS stored
            FOR EACH STATEMENT EXECUTE FUNCTION run_messages_stored();
        """
}
