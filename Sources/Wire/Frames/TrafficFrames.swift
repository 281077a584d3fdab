// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// A sign of life, and its answer, which carries the same value: `u64 the sender's clock | later fields`.
package struct HeartbeatFrame: Sendable, Hashable {
    /// Nanoseconds of a clock of the one who sent the heartbeat; means nothing to anybody else.
    package var time: UInt64

    package init(time: UInt64) {
        self.time = time
    }

    init?(body: ByteBuffer) {
        var body = body
        guard let time = body.readInteger(as: UInt64.self) else { return nil }
        self.time = time
    }

    var bodyBytes: Int { 8 }

    func encode(into buffer: inout ByteBuffer) {
        buffer.writeInteger(self.time)
    }
}

/// What the receiver may send in addition: `u32 items | u32 bytes | later fields`.
package struct CreditFrame: Sendable, Hashable {
    /// Requests and notifications.
    package var items: UInt32
    /// Bytes of whole frames.
    package var bytes: UInt32

    package init(items: UInt32, bytes: UInt32) {
        self.items = items
        self.bytes = bytes
    }

    init?(body: ByteBuffer) {
        var body = body
        guard let (items, bytes) = body.readMultipleIntegers(as: (UInt32, UInt32).self) else { return nil }
        self.init(items: items, bytes: bytes)
    }

    var bodyBytes: Int { 8 }

    func encode(into buffer: inout ByteBuffer) {
        buffer.writeMultipleIntegers(self.items, self.bytes)
    }
}

/// Asks for a response: `u64 id | u16 kind | u16 slot | u64 epoch | u32 milliseconds left | payload`.
package struct RequestFrame: Sendable, Hashable {
    /// Chosen by the sender, different for all requests of a link.
    package var id: UInt64
    package var kind: UInt16
    package var slot: UInt16
    package var epoch: UInt64
    /// Until the sender stops waiting.
    package var deadlineMilliseconds: UInt32
    /// At most ``FrameLimits/payloadBytesMax`` bytes. A slice of the block when received.
    package var payload: ByteBuffer

    package init(
        id: UInt64,
        kind: UInt16,
        slot: UInt16,
        epoch: UInt64,
        deadlineMilliseconds: UInt32,
        payload: ByteBuffer
    ) {
        self.id = id
        self.kind = kind
        self.slot = slot
        self.epoch = epoch
        self.deadlineMilliseconds = deadlineMilliseconds
        self.payload = payload
    }

    init?(body: ByteBuffer) {
        var body = body
        guard
            let (id, kind, slot, epoch, deadline) = body.readMultipleIntegers(
                as: (UInt64, UInt16, UInt16, UInt64, UInt32).self
            )
        else { return nil }
        self.id = id
        self.kind = kind
        self.slot = slot
        self.epoch = epoch
        self.deadlineMilliseconds = deadline
        self.payload = body
    }

    var bodyBytes: Int { FrameLimits.requestFieldBytes + self.payload.readableBytes }

    func encode(into buffer: inout ByteBuffer) {
        buffer.writeMultipleIntegers(self.id, self.kind, self.slot, self.epoch, self.deadlineMilliseconds)
        buffer.writeImmutableBuffer(self.payload)
    }
}

/// Answers a request: `u64 id | u8 status | payload`.
package struct ResponseFrame: Sendable, Hashable {
    /// That of the request.
    package var id: UInt64
    package var status: UInt8
    /// At most ``FrameLimits/payloadBytesMax`` bytes. A slice of the block when received.
    package var payload: ByteBuffer

    package init(id: UInt64, status: UInt8, payload: ByteBuffer) {
        self.id = id
        self.status = status
        self.payload = payload
    }

    init?(body: ByteBuffer) {
        var body = body
        guard let (id, status) = body.readMultipleIntegers(as: (UInt64, UInt8).self) else { return nil }
        self.id = id
        self.status = status
        self.payload = body
    }

    var bodyBytes: Int { 9 + self.payload.readableBytes }

    func encode(into buffer: inout ByteBuffer) {
        buffer.writeMultipleIntegers(self.id, self.status)
        buffer.writeImmutableBuffer(self.payload)
    }
}

/// Wants no response: `u16 kind | payload`.
package struct NotificationFrame: Sendable, Hashable {
    package var kind: UInt16
    /// At most ``FrameLimits/payloadBytesMax`` bytes. A slice of the block when received.
    package var payload: ByteBuffer

    package init(kind: UInt16, payload: ByteBuffer) {
        self.kind = kind
        self.payload = payload
    }

    init?(body: ByteBuffer) {
        var body = body
        guard let kind = body.readInteger(as: UInt16.self) else { return nil }
        self.kind = kind
        self.payload = body
    }

    var bodyBytes: Int { 2 + self.payload.readableBytes }

    func encode(into buffer: inout ByteBuffer) {
        buffer.writeInteger(self.kind)
        buffer.writeImmutableBuffer(self.payload)
    }
}
