// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// A WebSocket client (RFC 6455) written by hand, on a blocking connection with a thread that reads. It shares no code
/// with the edge that it tests.
package final class PlainWebSocket: Sendable {
    package struct Failure: Error, CustomStringConvertible {
        package var description: String
    }

    private struct State {
        var messages: [JSONValue] = []
        var texts: [[UInt8]] = []
        var closeCode: UInt16?
        var isEnded = false
        var answersPings = true
    }

    private let connection: TCPConnection
    private let state = Mutex(State())
    private let nextID = Atomic(1)

    /// Connects and shakes hands; blocks.
    package init(port: UInt16, path: String = "/ws", reads: Bool = true) throws {
        self.connection = try TCPConnection(port: port, timeoutSeconds: 3600)
        try self.connection.openWebSocket(port: port, path: path)
        if reads { self.startReading() }
    }

    /// Begins to take what comes; once, and only where `init` was told not to.
    package func startReading() {
        PlainThreads.start { [weak self, connection] in Self.read(connection) { self?.take($0) ?? false } }
    }

    // MARK: - Sending

    /// Sends one masked frame.
    package func send(opcode: UInt8, _ payload: [UInt8], isFinal: Bool = true, isMasked: Bool = true) {
        self.connection.send(PlainFrame.bytes(opcode: opcode, payload, isFinal: isFinal, isMasked: isMasked))
    }

    package func send(text: String) {
        self.send(opcode: 1, Array(text.utf8))
    }

    /// Bytes that are no frame at all.
    package func send(raw bytes: [UInt8]) {
        self.connection.send(bytes)
    }

    /// Sends a command with a new id and waits for its answer.
    package func command(_ type: String, _ fields: String = "", within time: Duration = .seconds(30)) async throws
        -> JSONValue
    {
        let id = "c\(self.nextID.add(1, ordering: .relaxed).oldValue)"
        self.send(text: #"{"id":"\#(id)","type":"\#(type)"\#(fields.isEmpty ? "" : ",")\#(fields)}"#)
        return try await self.message("the answer to \(type)", within: time) { $0["id"]?.string == id }
    }

    // MARK: - Receiving

    package var messages: [JSONValue] { self.state.withLock { $0.messages } }
    /// The same as they came.
    package var texts: [[UInt8]] { self.state.withLock { $0.texts } }
    package var closeCode: UInt16? { self.state.withLock { $0.closeCode } }
    /// Whether the connection has ended, with a close frame or without.
    package var isEnded: Bool { self.state.withLock { $0.isEnded } }

    /// The `seq` and `body` of all `new_message` of a conversation, as they came.
    package func received(_ conversation: String) -> [(seq: Int64, body: String)] {
        self.messages.compactMap { message in
            guard message["type"]?.string == "new_message", let content = message["message"],
                content["conversation_id"]?.string == conversation,
                let seq = content["seq"]?.integer, let body = content["body"]?.string
            else { return nil }
            return (seq, body)
        }
    }

    /// Waits for a message that fits, whether it came already or not.
    package func message(
        _ what: String,
        within time: Duration = .seconds(30),
        _ fits: @Sendable (JSONValue) -> Bool
    ) async throws -> JSONValue {
        var found: JSONValue?
        try await eventually(what, within: time) {
            found = self.messages.first(where: fits)
            if found == nil, self.isEnded {
                throw Failure(description: "closed with \(self.closeCode.map(String.init) ?? "no code") before \(what)")
            }
            return found != nil
        }
        guard let found else { throw Failure(description: what) }
        return found
    }

    /// Waits until the edge has closed the connection. Returns the code of its close frame.
    package func waitUntilClosed(within time: Duration = .seconds(30)) async throws -> UInt16? {
        try await eventually("the connection is closed", within: time) { self.isEnded }
        return self.closeCode
    }

    /// From now on pings are not answered, as by a client that is gone without a word.
    package func stopAnsweringPings() {
        self.state.withLock { $0.answersPings = false }
    }

    private func take(_ frame: Frame?) -> Bool {
        guard let frame else {
            self.state.withLock { $0.isEnded = true }
            return false
        }
        switch frame.opcode {
        case 1:
            if let json = try? JSONValue(json: frame.payload) {
                self.state.withLock { state in
                    state.messages.append(json)
                    state.texts.append(frame.payload)
                }
            }
        case 8:
            let code = frame.payload.count >= 2 ? UInt16(frame.payload[0]) << 8 | UInt16(frame.payload[1]) : nil
            self.state.withLock { $0.closeCode = code }
        case 9:
            if self.state.withLock({ $0.answersPings }) { self.send(opcode: 10, frame.payload) }
        default:
            break
        }
        return true
    }

    private struct Frame {
        var opcode: UInt8
        var payload: [UInt8]
    }

    /// Hands over frames until the connection ends, which is told with nil.
    private static func read(_ connection: TCPConnection, _ take: (Frame?) -> Bool) {
        var buffer: [UInt8] = []
        while let bytes = connection.receive(), !bytes.isEmpty {
            buffer += bytes
            while let (frame, length) = Self.frame(buffer) {
                buffer.removeFirst(length)
                guard take(frame) else { return }
            }
        }
        _ = take(nil)
    }

    /// The first frame in the buffer, unmasked as servers send it, and its length with the header.
    private static func frame(_ buffer: [UInt8]) -> (Frame, Int)? {
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
        return (Frame(opcode: buffer[0] & 0xF, payload: Array(buffer[start..<(start + length)])), start + length)
    }
}
