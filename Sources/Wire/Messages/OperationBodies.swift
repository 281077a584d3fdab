// SPDX-License-Identifier: Apache-2.0

import Fields
import Messaging

/// Router → node: do what an operator wants of you, or only say how you are. The answer is a ``NodeReport``.
package struct OperateNode: WireMessage, Equatable {
    /// Numbers are never used again for something else.
    package enum Verb: UInt8, Sendable, CaseIterable {
        case report = 0
        /// Serve until nobody is left, and take nobody new.
        case drain = 1
        case undrain = 2
        /// Of an edge: have ``OperateNode/count`` sessions go elsewhere.
        case shed = 3
    }

    /// Sessions in a second.
    package static let rateMax: UInt32 = 1_000_000
    package static let windowMillisecondsMax: UInt32 = 3_600_000
    package static let targetsMax = 64
    /// UTF-8 bytes of one of them.
    package static let targetBytesMax = 300

    package var verb: Verb
    /// Of an edge: sessions that are asked to go in a second, 1 to ``rateMax``.
    package var rate: UInt32
    /// Of an edge: within which each of them goes, at most ``windowMillisecondsMax``.
    package var windowMilliseconds: UInt32
    /// Of ``Verb/shed``.
    package var count: UInt32
    /// `HOST:PORT` of the edges to go to, one after the other; empty for all others that are ready.
    package var targets: [String]

    package init(
        _ verb: Verb,
        rate: UInt32 = 1,
        windowMilliseconds: UInt32 = 0,
        count: UInt32 = 0,
        targets: [String] = []
    ) {
        self.verb = verb
        self.rate = rate
        self.windowMilliseconds = windowMilliseconds
        self.count = count
        self.targets = targets
    }

    package func encode(into writer: inout FieldWriter) {
        writer.integer(1, self.verb.rawValue)
        writer.integer(2, self.rate)
        writer.integer(3, self.windowMilliseconds)
        writer.integer(4, self.count)
        writer.texts(5, self.targets)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var verb = Verb.report
        var rate: UInt32 = 1
        var window: UInt32 = 0
        var count: UInt32 = 0
        var targets: [String] = []
        while let field = try reader.next() {
            switch field.number {
            case 1: verb = try Verb(rawValue: field.integer()).known(1)
            case 2: rate = try field.integer()
            case 3: window = try field.integer()
            case 4: count = try field.integer()
            case 5:
                guard targets.count < Self.targetsMax else { throw .tooMany(field: 5) }
                let target = try field.text()
                guard target.utf8.count <= Self.targetBytesMax else { throw .tooMany(field: 5) }
                targets.append(target)
            default: break
            }
        }
        guard (1...Self.rateMax).contains(rate) else { throw .invalidValue(field: 2) }
        guard window <= Self.windowMillisecondsMax else { throw .invalidValue(field: 3) }
        self.init(verb, rate: rate, windowMilliseconds: window, count: count, targets: targets)
    }
}

/// How a node is, for the one who operates it.
package struct NodeReport: WireMessage, Equatable {
    /// Numbers are never used again for something else.
    package enum State: UInt8, Sendable, CaseIterable {
        case serving = 0
        case draining = 1
        case stopping = 2
    }

    package static let reasonsMax = 64

    package var state: State
    /// Of an edge: connections, and ends of sessions that the registry has not been told of.
    package var sessions: UInt64
    /// Of an edge: sessions that were asked to go since it began.
    package var asked: UInt64
    /// Of a router.
    package var slots: UInt64
    /// What would be lost or interrupted if the node went now; empty when nothing would.
    package var obstacles: [String]
    /// Of an edge: sessions of those that are to be shed that were not asked yet. 0 from a node that cannot tell.
    package var shedding: UInt64

    package init(
        state: State,
        sessions: UInt64 = 0,
        asked: UInt64 = 0,
        slots: UInt64 = 0,
        shedding: UInt64 = 0,
        obstacles: [String]
    ) {
        self.state = state
        self.sessions = sessions
        self.asked = asked
        self.slots = slots
        self.shedding = shedding
        self.obstacles = obstacles
    }

    package func encode(into writer: inout FieldWriter) {
        writer.integer(1, self.state.rawValue)
        writer.integer(2, self.sessions)
        writer.integer(3, self.asked)
        writer.integer(4, self.slots)
        writer.texts(5, Array(self.obstacles.prefix(Self.reasonsMax)))
        writer.integer(6, self.shedding)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var state = State.serving
        var sessions: UInt64 = 0
        var asked: UInt64 = 0
        var slots: UInt64 = 0
        var shedding: UInt64 = 0
        var obstacles: [String] = []
        while let field = try reader.next() {
            switch field.number {
            case 1: state = try State(rawValue: field.integer()).known(1)
            case 2: sessions = try field.integer()
            case 3: asked = try field.integer()
            case 4: slots = try field.integer()
            case 5:
                guard obstacles.count < Self.reasonsMax else { throw .tooMany(field: 5) }
                obstacles.append(try field.text())
            case 6: shedding = try field.integer()
            default: break
            }
        }
        self.init(
            state: state,
            sessions: sessions,
            asked: asked,
            slots: slots,
            shedding: shedding,
            obstacles: obstacles
        )
    }
}

extension Optional {
    /// A number that this version does not know is of no use to it.
    fileprivate func known(_ field: Int) throws(FieldError) -> Wrapped {
        guard let value = self else { throw .invalidValue(field: field) }
        return value
    }
}
