// SPDX-License-Identifier: Apache-2.0

/// What sessions take of a node: its memory before they begin, and when they have been there for the time of the run.
package struct SessionMemory: Sendable, Codable, Equatable {
    /// What a node told at one time.
    package struct Census: Sendable, Codable, Equatable {
        package var residentBytes: Int
        package var sessions: Int

        package init(residentBytes: Int, sessions: Int) {
            self.residentBytes = residentBytes
            self.sessions = sessions
        }

        /// From the answer of an edge to `/metrics`; nil for other nodes.
        package init?(metrics text: String) {
            guard
                let bytes = MetricsText.value(of: "process_resident_memory_bytes", in: text).flatMap({
                    Int(exactly: $0)
                }),
                let sessions = MetricsText.value(of: "trunkline_edge_sessions", in: text).flatMap({ Int(exactly: $0) })
            else { return nil }
            self.init(residentBytes: bytes, sessions: sessions)
        }

        private enum CodingKeys: String, CodingKey {
            case sessions
            case residentBytes = "resident_bytes"
        }
    }

    package var node: String
    package var before: Census
    package var after: Census

    package init(node: String, before: Census, after: Census) {
        self.node = node
        self.before = before
        self.after = after
    }

    /// Nil when there are not more sessions than before.
    package var bytesPerSession: Double? {
        let sessions = self.after.sessions - self.before.sessions
        return sessions > 0 ? Double(self.after.residentBytes - self.before.residentBytes) / Double(sessions) : nil
    }
}
