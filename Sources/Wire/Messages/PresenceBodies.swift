// SPDX-License-Identifier: Apache-2.0

import Fields
import Messaging
import NIOCore
import Placement

/// What an edge has of one slot's users: who has a session there, and whose presence its sessions watch.
///
/// The state of a slot has a version, which grows with every change in one life of the edge. A report says what changed
/// between two versions; one from version 0, where there is nothing, is the whole state and replaces what was known.
package struct SlotPresence: WireMessage, Equatable {
    package var slot: Slot
    package var base: UInt64
    package var version: UInt64
    package var attached: [UserID]
    package var detached: [UserID]
    package var watched: [UserID]
    package var unwatched: [UserID]

    package init(
        slot: Slot,
        base: UInt64,
        version: UInt64,
        attached: [UserID] = [],
        detached: [UserID] = [],
        watched: [UserID] = [],
        unwatched: [UserID] = []
    ) {
        self.slot = slot
        self.base = base
        self.version = version
        self.attached = attached
        self.detached = detached
        self.watched = watched
        self.unwatched = unwatched
    }

    /// How many users it names.
    package var userCount: Int {
        self.attached.count + self.detached.count + self.watched.count + self.unwatched.count
    }

    package func encode(into writer: inout FieldWriter) {
        writer.integer(1, self.slot.number)
        writer.integer(2, self.base)
        writer.integer(3, self.version)
        writer.identifiers(4, self.attached)
        writer.identifiers(5, self.detached)
        writer.identifiers(6, self.watched)
        writer.identifiers(7, self.unwatched)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var number: UInt16 = 0
        var presence = SlotPresence(slot: Slot(of: 0), base: 0, version: 0)
        while let field = try reader.next() {
            switch field.number {
            case 1: number = try field.integer()
            case 2: presence.base = try field.integer()
            case 3: presence.version = try field.integer()
            case 4: presence.attached = try field.identifiers(atMost: Self.usersMax)
            case 5: presence.detached = try field.identifiers(atMost: Self.usersMax)
            case 6: presence.watched = try field.identifiers(atMost: Self.usersMax)
            case 7: presence.unwatched = try field.identifiers(atMost: Self.usersMax)
            default: break
            }
        }
        guard let slot = Slot(number) else { throw .invalidValue(field: 1) }
        presence.slot = slot
        self = presence
    }

    /// Users of one slot that one edge has, and that it watches: an edge takes no more.
    package static let usersMax = 8192
}

/// Edge → owner of the slots, ephemeral: what changed, or what was asked for with ``PresenceWanted``.
package struct PresenceReport: WireMessage, Equatable {
    package var slots: [SlotPresence]

    package init(slots: [SlotPresence]) {
        self.slots = slots
    }

    package func encode(into writer: inout FieldWriter) {
        writer.messages(1, self.slots)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var slots: [SlotPresence] = []
        while let field = try reader.next() {
            if field.number == 1 { try slots.append(field, atMost: Slot.count) }
        }
        self.init(slots: slots)
    }
}

/// Edge → owner of the slots, ephemeral and repeated: the versions of all slots in which anything ever was. The owner
/// asks for those of which it knows another.
package struct PresenceDigest: WireMessage, Equatable {
    package struct Entry: Sendable, Equatable {
        package var slot: Slot
        package var version: UInt64

        package init(slot: Slot, version: UInt64) {
            self.slot = slot
            self.version = version
        }
    }

    package var entries: [Entry]

    package init(entries: [Entry]) {
        self.entries = entries
    }

    /// Ten bytes for each slot: `u16 number | u64 version`.
    package func encode(into writer: inout FieldWriter) {
        var packed: [UInt8] = []
        packed.reserveCapacity(self.entries.count * 10)
        for entry in self.entries {
            packed.append(contentsOf: [UInt8(entry.slot.number >> 8), UInt8(entry.slot.number & 0xFF)])
            for shift in stride(from: 56, through: 0, by: -8) {
                packed.append(UInt8(truncatingIfNeeded: entry.version >> UInt64(shift)))
            }
        }
        writer.bytes(1, packed)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var entries: [Entry] = []
        while let field = try reader.next() {
            guard field.number == 1 else { continue }
            var packed = try field.buffer()
            guard packed.readableBytes % 10 == 0 else { throw .invalidValue(field: 1) }
            guard packed.readableBytes / 10 <= Slot.count else { throw .tooMany(field: 1) }
            while let (number, version) = packed.readMultipleIntegers(as: (UInt16, UInt64).self) {
                guard let slot = Slot(number) else { throw .invalidValue(field: 1) }
                entries.append(Entry(slot: slot, version: version))
            }
        }
        self.init(entries: entries)
    }
}

/// Owner → edge, ephemeral: report the whole state of these slots, empty ones too.
package struct PresenceWanted: WireMessage, Equatable {
    package var slots: [Slot]

    package init(slots: [Slot]) {
        self.slots = slots
    }

    /// Two bytes for each slot.
    package func encode(into writer: inout FieldWriter) {
        writer.bytes(1, self.slots.flatMap { [UInt8($0.number >> 8), UInt8($0.number & 0xFF)] })
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var slots: [Slot] = []
        while let field = try reader.next() {
            guard field.number == 1 else { continue }
            var packed = try field.buffer()
            guard packed.readableBytes % 2 == 0 else { throw .invalidValue(field: 1) }
            guard packed.readableBytes / 2 <= Slot.count else { throw .tooMany(field: 1) }
            while let number = packed.readInteger(as: UInt16.self) {
                guard let slot = Slot(number) else { throw .invalidValue(field: 1) }
                slots.append(slot)
            }
        }
        self.init(slots: slots)
    }
}

/// A ``ShownPresence`` on the mesh.
package struct ShownPresenceBody: WireMessage, Equatable {
    package var value: ShownPresence

    package init(_ value: ShownPresence) {
        self.value = value
    }

    package func encode(into writer: inout FieldWriter) {
        writer.identifier(1, self.value.user)
        writer.integer(2, self.value.status.rawValue)
        writer.integer(3, self.value.lastSeenAt ?? 0)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var user: UserID?
        var status: ShownStatus?
        var lastSeenAt: UnixMilliseconds = 0
        while let field = try reader.next() {
            switch field.number {
            case 1: user = try field.identifier()
            case 2: status = try field.value()
            case 3: lastSeenAt = try field.integer()
            default: break
            }
        }
        guard let user else { throw .missing(field: 1) }
        guard let status else { throw .missing(field: 2) }
        self.value = ShownPresence(user: user, status: status, lastSeenAt: lastSeenAt == 0 ? nil : lastSeenAt)
    }
}

/// Owner → edge that watches, ephemeral: how these users are seen now.
package struct PresenceStates: WireMessage, Equatable {
    /// How many such notifications with a state this one's sender has sent to the edge before it, on this link and
    /// since the edge asked for all states. A receiver that counted otherwise has missed some and asks for all again.
    package var sequence: UInt64
    /// None in one that is only sent to tell the sequence.
    package var states: [ShownPresence]

    package init(sequence: UInt64, states: [ShownPresence]) {
        self.sequence = sequence
        self.states = states
    }

    package func encode(into writer: inout FieldWriter) {
        writer.integer(1, self.sequence)
        writer.messages(2, self.states.map(ShownPresenceBody.init))
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var sequence: UInt64 = 0
        var states: [ShownPresence] = []
        while let field = try reader.next() {
            switch field.number {
            case 1: sequence = try field.integer()
            case 2:
                guard states.count < Self.statesMax else { throw .tooMany(field: 2) }
                states.append(try field.message(as: ShownPresenceBody.self).value)
            default: break
            }
        }
        self.init(sequence: sequence, states: states)
    }

    /// Users of one notification; more go into the next.
    package static let statesMax = 1024
}
