// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
internal import Fields
internal import NIOCore

/// The protocols for which there are connections. What nobody here speaks is not written.
struct SpokenSubprotocols: Sendable {
    var json: Bool
    var binary: Bool

    /// Of all event loops of the edge.
    init(_ loops: [SessionLoop]) {
        self.init(json: loops.contains { $0.speaks(.json) }, binary: loops.contains { $0.speaks(.binary) })
    }

    init(json: Bool, binary: Bool) {
        self.json = json
        self.binary = binary
    }
}

/// Something that happened as ready WebSocket frames, once for each protocol in which it is wanted here. The same bytes go
/// to every session.
///
/// One is missing when the first connection of its protocol began after the event was encoded. A session that finds none
/// takes the event for one that was left out.
struct EventFrames: Sendable {
    private let json: ByteBuffer?
    private let binary: ByteBuffer?

    init(json: ByteBuffer? = nil, binary: ByteBuffer? = nil) {
        self.json = json
        self.binary = binary
    }

    init(_ message: ServerMessage, in spoken: SpokenSubprotocols) {
        self.json = spoken.json ? ServerFrame.text(message) : nil
        self.binary = spoken.binary ? ServerFrame.binary(message.encodedBinary()) : nil
    }

    /// Several of them in one buffer: of JSON a frame each, in binary one frame for all.
    init(joining messages: [ServerMessage], in spoken: SpokenSubprotocols) {
        if spoken.json {
            var joined = ByteBuffer()
            for message in messages { joined.writeImmutableBuffer(ServerFrame.text(message)) }
            self.json = joined
        } else {
            self.json = nil
        }
        if spoken.binary {
            var writer = FieldWriter()
            for message in messages { message.writeBinary(into: &writer) }
            self.binary = ServerFrame.binary(writer.buffer)
        } else {
            self.binary = nil
        }
    }

    subscript(subprotocol: ClientSubprotocol) -> ByteBuffer? {
        switch subprotocol {
        case .json: self.json
        case .binary: self.binary
        }
    }

    /// Bytes of all of them.
    var readableBytes: Int { (self.json?.readableBytes ?? 0) + (self.binary?.readableBytes ?? 0) }
}

/// The events of one round of delivery, for sessions of either protocol.
struct RoundFrames {
    private struct Frames {
        var joined: JoinedFrames
        /// Places of the events that were not encoded in this protocol.
        var missing: Set<Int>
    }

    private let events: [EventFrames]
    private var json: Frames?
    private var binary: Frames?

    init(_ events: [EventFrames]) {
        self.events = events
    }

    /// The frames at these places, joined; nil when one of them is not there.
    ///
    /// - Parameter places: ascending.
    mutating func buffers(at places: [Int], in subprotocol: ClientSubprotocol) -> [ByteBuffer]? {
        switch subprotocol {
        case .json: Self.buffers(at: places, in: .json, self.events, &self.json)
        case .binary: Self.buffers(at: places, in: .binary, self.events, &self.binary)
        }
    }

    private static func buffers(
        at places: [Int],
        in subprotocol: ClientSubprotocol,
        _ events: [EventFrames],
        _ frames: inout Frames?
    ) -> [ByteBuffer]? {
        guard let first = places.first else { return [] }
        // Where nobody speaks the protocol this is all that it costs.
        guard events[first][subprotocol] != nil else { return nil }
        if frames == nil {
            frames = Frames(
                joined: JoinedFrames(events.map { $0[subprotocol] ?? ByteBuffer() }),
                missing: Set(events.indices.filter { events[$0][subprotocol] == nil })
            )
        }
        if let missing = frames?.missing, !missing.isEmpty, places.contains(where: missing.contains) { return nil }
        return frames?.joined.buffers(at: places)
    }
}
