// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// A WebSocket client (RFC 6455) without a thread of its own: its owner asks for one frame after the other. It shares no
/// code with the edge that it tests.
///
/// One thread reads; ``markArrived()`` and ``abandon()`` may be called from any.
package final class BlockingWebSocket: Sendable {
    package enum Event: Sendable {
        case text([UInt8], startedAtByte: UInt64)
        /// With the code of the close frame, if one came.
        case ended(UInt16?)
        /// Nothing came in time.
        case nothing
    }

    private struct Reading {
        var buffer: [UInt8] = []
        /// Bytes that were received, those in the buffer included.
        var received: UInt64 = 0
        var closeCode: UInt16?
        var isAbandoned = false
    }

    private let connection: TCPConnection
    private let reading = Mutex(Reading())

    /// Connects and shakes hands.
    ///
    /// - Parameter receiveBufferBytes: what the system takes up for a reader that does not read.
    package init(port: UInt16, timeoutSeconds: Int = 5, receiveBufferBytes: Int? = nil) throws {
        self.connection = try TCPConnection(
            port: port,
            timeoutSeconds: timeoutSeconds,
            receiveBufferBytes: receiveBufferBytes
        )
        try self.connection.openWebSocket(port: port)
    }

    package func send(text: String) {
        self.send(opcode: 1, Array(text.utf8))
    }

    private func send(opcode: UInt8, _ payload: [UInt8]) {
        self.connection.send(PlainFrame.bytes(opcode: opcode, payload))
    }

    /// How many bytes of the connection have certainly arrived by now, whether they were read or not.
    package func markArrived() -> UInt64 {
        // Under the lock, so that no byte is between the system and the count.
        self.reading.withLock { $0.received + UInt64(self.connection.waitingBytes) }
    }

    /// The reader sees the end next; the edge sees a reset.
    package func abandon() {
        self.connection.resetAtEnd()
        self.reading.withLock { $0.isAbandoned = true }
    }

    /// The next text, or the end. Pings are answered on the way.
    ///
    /// - Parameter limit: bytes that are taken from the system at once.
    package func next(withinMilliseconds time: Int32, atMost limit: Int = 65_536) -> Event {
        while true {
            if self.reading.withLock({ $0.isAbandoned }) { return .ended(nil) }
            if let event = self.takeFrame() { return event }
            guard self.connection.isReadable(withinMilliseconds: time) else { return .nothing }
            let isOpen = self.reading.withLock { reading in
                guard let bytes = self.connection.receiveWaiting(atMost: limit) else { return true }
                reading.buffer += bytes
                reading.received += UInt64(bytes.count)
                return !bytes.isEmpty
            }
            guard isOpen else { return .ended(self.reading.withLock { $0.closeCode }) }
        }
    }

    private func takeFrame() -> Event? {
        while true {
            let taken = self.reading.withLock { reading -> (opcode: UInt8, payload: [UInt8], start: UInt64)? in
                guard let frame = Self.frame(reading.buffer) else { return nil }
                let start = reading.received - UInt64(reading.buffer.count)
                reading.buffer.removeFirst(frame.length)
                return (frame.opcode, frame.payload, start)
            }
            guard let taken else { return nil }
            switch taken.opcode {
            case 1: return .text(taken.payload, startedAtByte: taken.start)
            case 8:
                guard taken.payload.count >= 2 else { continue }
                let code = UInt16(taken.payload[0]) << 8 | UInt16(taken.payload[1])
                self.reading.withLock { $0.closeCode = code }
            case 9: self.send(opcode: 10, taken.payload)
            default: continue
            }
        }
    }

    /// The first frame in the buffer, as servers send it, and its length with the header.
    private static func frame(_ buffer: [UInt8]) -> (opcode: UInt8, payload: [UInt8], length: Int)? {
        guard buffer.count >= 2 else { return nil }
        var start = 2
        var length = Int(buffer[1] & 0x7F)
        if length == 126 {
            guard buffer.count >= 4 else { return nil }
            length = Int(buffer[2]) << 8 | Int(buffer[3])
            start = 4
        } else if length == 127 {
            guard buffer.count >= 10 else { return nil }
            length = buffer[2..<10].reduce(0) { $0 << 8 | Int($1) }
            start = 10
        }
        guard buffer.count >= start + length else { return nil }
        return (buffer[0] & 0xF, Array(buffer[start..<(start + length)]), start + length)
    }
}
