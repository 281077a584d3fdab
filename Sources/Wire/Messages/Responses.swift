// SPDX-License-Identifier: Apache-2.0

import Fields
import Messaging
import Placement

/// The body of a failed response: a ``Failure`` on the wire.
package struct FailureBody: WireMessage, Equatable {
    package var failure: Failure

    package init(_ failure: Failure) {
        self.failure = failure
    }

    package func encode(into writer: inout FieldWriter) {
        writer.integer(1, self.failure.code.rawValue)
        writer.text(2, self.failure.message)
        if let retry = self.failure.retryAfterMilliseconds {
            writer.integer(3, UInt64(retry) + 1)
        }
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        // A code of a later version is not an error of the frame: it is told as `internal`.
        var failure = Failure(.internal, "")
        while let field = try reader.next() {
            switch field.number {
            case 1: failure.code = ErrorCode(rawValue: try field.integer()) ?? .internal
            case 2: failure.message = try field.text()
            case 3: failure.retryAfterMilliseconds = UInt32(clamping: try field.integer(as: UInt64.self) &- 1)
            default: break
            }
        }
        self.failure = failure
    }
}

/// An empty body.
package struct Empty: WireMessage, Equatable {
    package init() {}

    package func encode(into writer: inout FieldWriter) {}

    package init(from reader: inout FieldReader) throws(FieldError) {
        while try reader.next() != nil {}
    }
}

/// A shard map and views that the receiver may not have yet; sent at link-up, at every change, and with `moved`.
package struct RoutingNews: WireMessage, Equatable {
    package static let shardsMax = 4096
    package static let routersMax = 4096

    package var map: ShardMap?
    package var views: [View]

    package init(map: ShardMap?, views: [View]) {
        self.map = map
        self.views = views
    }

    package init(_ table: RoutingTable) {
        self.init(map: table.map, views: table.views.values.sorted { $0.shard < $1.shard })
    }

    package func encode(into writer: inout FieldWriter) {
        if let map = self.map {
            writer.message(1, ShardMapBody(map: map))
        }
        writer.messages(2, self.views.map(ViewBody.init))
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        self.map = nil
        self.views = []
        while let field = try reader.next() {
            switch field.number {
            case 1: self.map = try field.message(as: ShardMapBody.self).map
            case 2:
                guard self.views.count < Self.shardsMax else { throw .tooMany(field: 2) }
                self.views.append(try field.message(as: ViewBody.self).view)
            default: break
            }
        }
    }
}

private struct ShardMapBody: WireMessage {
    var map: ShardMap

    init(map: ShardMap) {
        self.map = map
    }

    func encode(into writer: inout FieldWriter) {
        writer.integer(1, self.map.version)
        writer.texts(2, self.map.shards)
        writer.bytes(3, self.map.assignment.flatMap { [UInt8($0 >> 8), UInt8(truncatingIfNeeded: $0)] })
    }

    init(from reader: inout FieldReader) throws(FieldError) {
        var version: UInt64 = 0
        var shards: [String] = []
        var assignment: [UInt16] = []
        while let field = try reader.next() {
            switch field.number {
            case 1: version = try field.integer()
            case 2:
                guard shards.count < RoutingNews.shardsMax else { throw .tooMany(field: 2) }
                shards.append(try field.text())
            case 3:
                let bytes = try field.bytes()
                guard bytes.count == Slot.count * 2 else { throw .invalidValue(field: 3) }
                assignment = (0..<Slot.count).map { UInt16(bytes[2 * $0]) << 8 | UInt16(bytes[2 * $0 + 1]) }
            default: break
            }
        }
        guard let map = ShardMap(version: version, shards: shards, assignment: assignment) else {
            throw .missing(field: 3)
        }
        self.map = map
    }
}

private struct ViewBody: WireMessage {
    var view: View

    init(view: View) {
        self.view = view
    }

    func encode(into writer: inout FieldWriter) {
        writer.text(1, self.view.shard)
        writer.integer(2, self.view.epoch)
        writer.texts(3, self.view.members.map(\.description))
    }

    init(from reader: inout FieldReader) throws(FieldError) {
        var shard = ""
        var epoch: UInt64 = 0
        var routers: [String] = []
        while let field = try reader.next() {
            switch field.number {
            case 1: shard = try field.text()
            case 2: epoch = try field.integer()
            case 3:
                guard routers.count < RoutingNews.routersMax else { throw .tooMany(field: 3) }
                routers.append(try field.text())
            default: break
            }
        }
        guard !shard.isEmpty else { throw .missing(field: 1) }
        self.view = View(shard: shard, epoch: epoch, routers: routers)
    }
}
