// SPDX-License-Identifier: Apache-2.0

internal import Messaging

/// Reads a `sync` command from its bytes (RFC 8259), without a general decoder in between.
///
/// A device with thousands of conversations sends thousands of cursors, all devices at once when an edge went away. A
/// general decoder makes a string of each name; this reader goes over the bytes once. It is strict: what it does not
/// take is refused with a reason, and memory is taken for at most ``SyncRequest/cursorsMax`` cursors.
struct SyncScanner {
    enum Outcome {
        /// The `type` is another one, or stands too far behind to be looked for: for the general decoder.
        case notSync
        case sync(CommandID, SyncRequest)
        case rejected(RejectedCommand)
    }

    private var json: JSONScanner
    private var id: CommandID?
    private var isSync = false

    private init(_ bytes: UnsafeRawBufferPointer) {
        self.json = JSONScanner(bytes)
    }

    /// The bytes have to be UTF-8.
    static func scan(_ json: some Collection<UInt8>) -> Outcome {
        json.withContiguousStorageIfAvailable { buffer in
            Self.scan(UnsafeRawBufferPointer(buffer))
        } ?? Array(json).withUnsafeBytes { Self.scan($0) }
    }

    private static func scan(_ bytes: UnsafeRawBufferPointer) -> Outcome {
        guard Self.namesSync(bytes) else { return .notSync }
        var scanner = SyncScanner(bytes)
        do throws(Failure) {
            guard let request = try scanner.command() else { return .notSync }
            guard let id = scanner.id else { throw Failure(.missingField, "The field `id` is missing.") }
            return .sync(id, request)
        } catch {
            guard scanner.isSync else { return .notSync }
            return .rejected(RejectedCommand(id: scanner.id, name: .sync, failure: error))
        }
    }

    /// Whether `"sync"` stands near the beginning or near the end: everything else is not looked at twice.
    private static func namesSync(_ bytes: UnsafeRawBufferPointer) -> Bool {
        let wanted: StaticString = "\"sync\""
        let window = 192
        return wanted.withUTF8Buffer { wanted in
            func isIn(_ range: Range<Int>) -> Bool {
                guard range.count >= wanted.count else { return false }
                for start in range.lowerBound...(range.upperBound - wanted.count)
                where bytes[start] == wanted[0] && bytes[start + 1] == wanted[1] {
                    if (2..<wanted.count).allSatisfy({ bytes[start + $0] == wanted[$0] }) { return true }
                }
                return false
            }
            if isIn(0..<min(window, bytes.count)) { return true }
            return bytes.count > window && isIn(max(window - wanted.count, bytes.count - window)..<bytes.count)
        }
    }

    // MARK: - The command

    private mutating func command() throws(Failure) -> SyncRequest? {
        var request = SyncRequest(cursors: [:])
        var hasCursors = false
        self.json.skipBlanks()
        try self.json.expect("{")
        self.json.skipBlanks()
        if !self.json.take("}") {
            repeat {
                self.json.skipBlanks()
                let name = try self.json.string()
                self.json.skipBlanks()
                try self.json.expect(":")
                self.json.skipBlanks()
                switch name {
                case "type":
                    guard try self.json.string() == "sync" else { return nil }
                    self.isSync = true
                case "id": self.id = try self.commandID()
                case "cursors":
                    try self.cursors(&request)
                    hasCursors = true
                case "resume": request.resume = try self.resume()
                case "receipts": request.wantsReceipts = try self.flag("receipts")
                case "more": request.hasMore = try self.flag("more")
                default: try self.json.skipValue(depth: 0)
                }
                self.json.skipBlanks()
            } while self.json.take(",")
            try self.json.expect("}")
        }
        self.json.skipBlanks()
        guard self.json.isAtEnd else { throw JSONScanner.malformed }
        guard self.isSync else { return nil }
        guard hasCursors else { throw Failure(.missingField, "The field `cursors` is missing.") }
        return request
    }

    private mutating func commandID() throws(Failure) -> CommandID {
        let rule =
            "The field `id` must be a string of 1 to \(CommandID.textBytesMax) bytes or an integer that is not negative."
        if self.json.current == UInt8(ascii: "\"") {
            let text = try self.json.string()
            guard (1...CommandID.textBytesMax).contains(text.utf8.count) else {
                throw Failure(.invalidField, rule)
            }
            return .text(text)
        }
        guard let number = self.json.integer() else { throw Failure(.invalidField, rule) }
        return .number(number)
    }

    private mutating func resume() throws(Failure) -> String? {
        if self.json.takeWord("null") { return nil }
        guard self.json.current == UInt8(ascii: "\"") else {
            throw Failure(.invalidField, "The field `resume` must be a string.")
        }
        let text = try self.json.string()
        guard text.utf8.count <= SyncRequest.resumeBytesMax else {
            throw Failure(.tooLarge, "The field `resume` has more than \(SyncRequest.resumeBytesMax) characters.")
        }
        return text
    }

    private mutating func flag(_ name: String) throws(Failure) -> Bool {
        if self.json.takeWord("true") { return true }
        if self.json.takeWord("false") || self.json.takeWord("null") { return false }
        throw Failure(.invalidField, "The field `\(name)` must be true or false.")
    }

    private mutating func cursors(_ request: inout SyncRequest) throws(Failure) {
        guard self.json.take("{") else { throw Failure(.invalidField, "The field `cursors` must be an object.") }
        request.cursors = [:]
        request.states = [:]
        self.json.skipBlanks()
        if self.json.take("}") { return }
        repeat {
            self.json.skipBlanks()
            guard let conversation: ConversationID = self.json.identifier() else {
                throw Failure(.invalidField, "The names in `cursors` must be ids of conversations.")
            }
            self.json.skipBlanks()
            try self.json.expect(":")
            self.json.skipBlanks()
            let (seq, state) = try self.cursor()
            guard request.cursors.count < SyncRequest.cursorsMax || request.cursors[conversation] != nil else {
                throw Failure(.tooLarge, "There are more than \(SyncRequest.cursorsMax) `cursors`.")
            }
            request.cursors[conversation] = seq
            request.states[conversation] = state
            self.json.skipBlanks()
        } while self.json.take(",")
        try self.json.expect("}")
    }

    /// The number of a message, or an array of that and the version of a state.
    private mutating func cursor() throws(Failure) -> (seq: UInt64, state: UInt64?) {
        let isPair = self.json.take("[")
        if isPair { self.json.skipBlanks() }
        let seq = try self.cursorNumber()
        guard isPair else { return (seq, nil) }
        self.json.skipBlanks()
        guard self.json.take(",") else { throw Self.cursorRefusal }
        self.json.skipBlanks()
        let state = try self.cursorNumber()
        self.json.skipBlanks()
        guard self.json.take("]") else { throw Self.cursorRefusal }
        return (seq, state)
    }

    private mutating func cursorNumber() throws(Failure) -> UInt64 {
        guard let number = self.json.integer(), number <= UInt64(Int64.max) else { throw Self.cursorRefusal }
        return number
    }

    private static var cursorRefusal: Failure {
        Failure(
            .invalidField,
            "The values in `cursors` must be integers that are not negative, or arrays of two such integers."
        )
    }
}
