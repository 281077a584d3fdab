// SPDX-License-Identifier: Apache-2.0

import Fields
import Messaging
import NIOCore

/// Router → router: put these on your links to edges, in this order.
///
/// What many edges are told alike travels once to a router that passes it on, instead of once to each of them. The bodies
/// are fields that may be put behind each other, so whoever passes them on does not read them.
package struct Relay: WireMessage, Equatable {
    /// Items of one request.
    package static let itemsMax = 1024
    /// Targets of one item.
    package static let targetsMax = 4096

    /// One thing that is told.
    package struct Item: WireMessage, Equatable {
        /// How it is told to the edge; only ``NotificationKind/deliver`` and ``NotificationKind/audience`` are passed on.
        package var kind: UInt16
        /// What all the edges are told.
        package var body: ByteBuffer
        package var targets: [Target]

        package init(kind: UInt16, body: ByteBuffer, targets: [Target]) {
            self.kind = kind
            self.body = body
            self.targets = targets
        }

        package func encode(into writer: inout FieldWriter) {
            writer.integer(1, self.kind)
            writer.buffer(2, self.body)
            writer.messages(3, self.targets)
        }

        package init(from reader: inout FieldReader) throws(FieldError) {
            self.init(kind: 0, body: ByteBuffer(), targets: [])
            while let field = try reader.next() {
                switch field.number {
                case 1: self.kind = try field.integer()
                case 2: self.body = try field.buffer()
                case 3: try self.targets.append(field, atMost: Relay.targetsMax)
                default: break
                }
            }
        }
    }

    package struct Target: WireMessage, Equatable {
        package var edge: String
        /// What this edge alone is told: fields that belong behind the body.
        package var rest: ByteBuffer

        package init(edge: String, rest: ByteBuffer = ByteBuffer()) {
            self.edge = edge
            self.rest = rest
        }

        package func encode(into writer: inout FieldWriter) {
            writer.text(1, self.edge)
            writer.buffer(2, self.rest)
        }

        package init(from reader: inout FieldReader) throws(FieldError) {
            self.init(edge: "")
            while let field = try reader.next() {
                switch field.number {
                case 1: self.edge = try field.text()
                case 2: self.rest = try field.buffer()
                default: break
                }
            }
            guard !self.edge.isEmpty else { throw .missing(field: 1) }
        }
    }

    package var items: [Item]

    package init(items: [Item]) {
        self.items = items
    }

    package var expectedBytes: Int {
        self.items.reduce(16) { sum, item in
            sum + 16 + item.body.readableBytes + item.targets.reduce(0) { $0 + 32 + $1.rest.readableBytes }
        }
    }

    package func encode(into writer: inout FieldWriter) {
        writer.messages(1, self.items)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        self.init(items: [])
        while let field = try reader.next() {
            switch field.number {
            case 1: try self.items.append(field, atMost: Self.itemsMax)
            default: break
            }
        }
    }
}

/// The answer to ``Relay``: everything is on the links, but for what these edges were to get.
package struct RelayAnswer: WireMessage, Equatable {
    package var reached: RelayedThrough
    /// Edges that there is no link to, or whose link took not all of it.
    package var untaken: [String]

    package init(reached: RelayedThrough, untaken: [String]) {
        self.reached = reached
        self.untaken = untaken
    }

    package func encode(into writer: inout FieldWriter) {
        writer.message(1, self.reached)
        writer.texts(2, self.untaken)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var reached: RelayedThrough?
        var untaken: [String] = []
        while let field = try reader.next() {
            switch field.number {
            case 1: reached = try field.message()
            case 2:
                guard untaken.count < Relay.targetsMax else { throw .tooMany(field: 2) }
                untaken.append(try field.text())
            default: break
            }
        }
        guard let reached else { throw .missing(field: 1) }
        self.init(reached: reached, untaken: untaken)
    }
}

/// A position of the router that passed something on; see ``DeliveryProgress/after``.
package struct RelayedThrough: WireMessage, Hashable {
    package var life: Incarnation
    package var position: UInt64

    package init(life: Incarnation, position: UInt64) {
        self.life = life
        self.position = position
    }

    package func encode(into writer: inout FieldWriter) {
        writer.identifier(1, self.life)
        writer.integer(2, self.position)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var life: Incarnation?
        var position: UInt64 = 0
        while let field = try reader.next() {
            switch field.number {
            case 1: life = try field.identifier()
            case 2: position = try field.integer()
            default: break
            }
        }
        guard let life else { throw .missing(field: 1) }
        self.init(life: life, position: position)
    }
}

/// Router → edge: a notification of another router, passed on.
package struct Relayed: WireMessage, Equatable {
    /// The router whose notification it is, and the life it was in.
    package var router: String
    package var life: Incarnation
    package var kind: UInt16
    package var payload: ByteBuffer

    package init(router: String, life: Incarnation, kind: UInt16, payload: ByteBuffer) {
        self.router = router
        self.life = life
        self.kind = kind
        self.payload = payload
    }

    package var expectedBytes: Int { 64 + self.payload.readableBytes }

    package func encode(into writer: inout FieldWriter) {
        writer.text(1, self.router)
        writer.identifier(2, self.life)
        writer.integer(3, self.kind)
        writer.buffer(4, self.payload)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var router = ""
        var life: Incarnation?
        var kind: UInt16 = 0
        var payload = ByteBuffer()
        while let field = try reader.next() {
            switch field.number {
            case 1: router = try field.text()
            case 2: life = try field.identifier()
            case 3: kind = try field.integer()
            case 4: payload = try field.buffer()
            default: break
            }
        }
        guard let life else { throw .missing(field: 2) }
        self.init(router: router, life: life, kind: kind, payload: payload)
    }
}

/// Router → each router: the edges that it passes things on to.
package struct RelayReach: WireMessage, Equatable {
    /// Edges of one notification; more go into the next.
    package static let edgesMax = 1024

    /// These are all; what was told before is void.
    package var isWhole: Bool
    package var came: [String]
    package var gone: [String]

    package init(isWhole: Bool, came: [String], gone: [String] = []) {
        self.isWhole = isWhole
        self.came = came
        self.gone = gone
    }

    package func encode(into writer: inout FieldWriter) {
        writer.flag(1, self.isWhole)
        writer.texts(2, self.came)
        writer.texts(3, self.gone)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        self.init(isWhole: false, came: [])
        while let field = try reader.next() {
            switch field.number {
            case 1: self.isWhole = try field.flag()
            case 2: try Self.append(field, to: &self.came)
            case 3: try Self.append(field, to: &self.gone)
            default: break
            }
        }
    }

    private static func append(_ field: FieldReader.Field, to edges: inout [String]) throws(FieldError) {
        guard edges.count < Self.edgesMax else { throw .tooMany(field: field.number) }
        edges.append(try field.text())
    }
}
