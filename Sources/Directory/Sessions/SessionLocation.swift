// SPDX-License-Identifier: Apache-2.0

import Messaging

/// One life of an edge. Another life of the same name is another edge: it has none of the sessions.
package struct EdgeLife: Hashable, Sendable {
    package var edge: String
    package var incarnation: Incarnation

    package init(edge: String, incarnation: Incarnation) {
        self.edge = edge
        self.incarnation = incarnation
    }
}

/// Where a session is: void as soon as that life of the edge is over.
package struct SessionLocation: Hashable, Sendable {
    package var edge: String
    package var incarnation: Incarnation
    package var session: SessionID

    package var life: EdgeLife { EdgeLife(edge: self.edge, incarnation: self.incarnation) }

    package init(edge: String, incarnation: Incarnation, session: SessionID) {
        self.edge = edge
        self.incarnation = incarnation
        self.session = session
    }
}

/// A device and where its session is.
package struct RegisteredSession: Hashable, Sendable {
    package var device: DeviceID
    package var location: SessionLocation

    package init(device: DeviceID, location: SessionLocation) {
        self.device = device
        self.location = location
    }
}

/// An entry of the registry: what an edge registers for each of its sessions.
package struct SessionRegistration: Hashable, Sendable {
    package var user: UserID
    package var device: DeviceID
    package var location: SessionLocation

    package init(user: UserID, device: DeviceID, location: SessionLocation) {
        self.user = user
        self.device = device
        self.location = location
    }
}

// MARK: - Stored form

/// `EDGE|INCARNATION|SESSION`. Both ids have a fixed length, so it is read from the end and an edge's name may hold
/// anything. The scripts in `SessionScripts` take the same text apart.
extension SessionLocation {
    private static let identifierBytes = 36
    private static let separator = UInt8(ascii: "|")

    var stored: String {
        "\(self.edge)|\(self.incarnation)|\(self.session)"
    }

    /// Returns nil for anything that ``stored`` does not write.
    init?(stored bytes: [UInt8]) {
        let tail = 2 * (Self.identifierBytes + 1)
        let edgeBytes = bytes.count - tail
        guard edgeBytes > 0, edgeBytes <= DirectoryLimits.nodeNameBytesMax,
            bytes[edgeBytes] == Self.separator, bytes[edgeBytes + Self.identifierBytes + 1] == Self.separator,
            let edge = String(validating: bytes[..<edgeBytes], as: UTF8.self),
            let incarnation = Incarnation(String(decoding: bytes[(edgeBytes + 1)...].prefix(36), as: UTF8.self)),
            let session = SessionID(String(decoding: bytes.suffix(36), as: UTF8.self))
        else { return nil }
        self.init(edge: edge, incarnation: incarnation, session: session)
    }
}
