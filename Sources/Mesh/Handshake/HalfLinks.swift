// SPDX-License-Identifier: Apache-2.0

import Messaging

/// Accepted lanes whose handshake is done and that wait for the other lane of their link.
///
/// Bounded by the number of accepted connections without a link; a lane that waits too long closes itself.
struct HalfLinks: Sendable {
    private struct Key: Hashable {
        var peer: PeerIdentity
        var linkID: UInt64
    }

    private struct Half {
        var lane: Lane
        var kind: LaneKind
    }

    private var halves: [Key: Half] = [:]

    enum Addition {
        case waits
        case complete(control: Lane, bulk: Lane)
        /// The same lane of the same link twice.
        case duplicate
    }

    mutating func add(_ lane: Lane, _ session: LaneSession) -> Addition {
        let key = Key(peer: session.peer, linkID: session.linkID)
        guard let half = self.halves[key] else {
            self.halves[key] = Half(lane: lane, kind: session.lane)
            return .waits
        }
        switch (half.kind, session.lane) {
        case (.control, .bulk):
            self.halves[key] = nil
            return .complete(control: half.lane, bulk: lane)
        case (.bulk, .control):
            self.halves[key] = nil
            return .complete(control: lane, bulk: half.lane)
        case (.control, .control), (.bulk, .bulk):
            return .duplicate
        }
    }

    /// The lane was closed before the other one came.
    mutating func remove(_ lane: Lane, _ session: LaneSession) {
        let key = Key(peer: session.peer, linkID: session.linkID)
        if self.halves[key]?.lane.channel === lane.channel { self.halves[key] = nil }
    }

    mutating func removeAll() -> [Lane] {
        defer { self.halves = [:] }
        return self.halves.values.map { $0.lane }
    }
}
