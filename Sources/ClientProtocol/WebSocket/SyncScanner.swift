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

    private struct Refusal: Error {
        var failure: Failure
    }

    private let bytes: UnsafeRawBufferPointer
    private var position = 0
    private var id: CommandID?
    private var isSync = false

    private init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
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
        do throws(Refusal) {
            guard let request = try scanner.command() else { return .notSync }
            guard let id = scanner.id else { throw Self.refusal(.missingField, "The field `id` is missing.") }
            return .sync(id, request)
        } catch {
            guard scanner.isSync else { return .notSync }
            return .rejected(RejectedCommand(id: scanner.id, name: .sync, failure: error.failure))
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

    private mutating func command() throws(Refusal) -> SyncRequest? {
        var request = SyncRequest(cursors: [:])
        var hasCursors = false
        self.skipBlanks()
        try self.expect("{")
        self.skipBlanks()
        if !self.take("}") {
            repeat {
                self.skipBlanks()
                let name = try self.string()
                self.skipBlanks()
                try self.expect(":")
                self.skipBlanks()
                switch name {
                case "type":
                    guard try self.string() == "sync" else { return nil }
                    self.isSync = true
                case "id": self.id = try self.commandID()
                case "cursors":
                    try self.cursors(&request)
                    hasCursors = true
                case "resume": request.resume = try self.resume()
                case "receipts": request.wantsReceipts = try self.flag("receipts")
                case "more": request.hasMore = try self.flag("more")
                default: try self.skipValue(depth: 0)
                }
                self.skipBlanks()
            } while self.take(",")
            try self.expect("}")
        }
        self.skipBlanks()
        guard self.position == self.bytes.count else { throw Self.malformed }
        guard self.isSync else { return nil }
        guard hasCursors else { throw Self.refusal(.missingField, "The field `cursors` is missing.") }
        return request
    }

    private mutating func commandID() throws(Refusal) -> CommandID {
        let rule =
            "The field `id` must be a string of 1 to \(CommandID.textBytesMax) bytes or an integer that is not negative."
        if self.current == UInt8(ascii: "\"") {
            let text = try self.string()
            guard (1...CommandID.textBytesMax).contains(text.utf8.count) else {
                throw Self.refusal(.invalidField, rule)
            }
            return .text(text)
        }
        guard let number = self.integer() else { throw Self.refusal(.invalidField, rule) }
        return .number(number)
    }

    private mutating func resume() throws(Refusal) -> String? {
        if self.takeWord("null") { return nil }
        guard self.current == UInt8(ascii: "\"") else {
            throw Self.refusal(.invalidField, "The field `resume` must be a string.")
        }
        let text = try self.string()
        guard text.utf8.count <= SyncRequest.resumeBytesMax else {
            throw Self.refusal(.tooLarge, "The field `resume` has more than \(SyncRequest.resumeBytesMax) characters.")
        }
        return text
    }

    private mutating func flag(_ name: String) throws(Refusal) -> Bool {
        if self.takeWord("true") { return true }
        if self.takeWord("false") || self.takeWord("null") { return false }
        throw Self.refusal(.invalidField, "The field `\(name)` must be true or false.")
    }

    private mutating func cursors(_ request: inout SyncRequest) throws(Refusal) {
        guard self.take("{") else { throw Self.refusal(.invalidField, "The field `cursors` must be an object.") }
        request.cursors = [:]
        request.states = [:]
        self.skipBlanks()
        if self.take("}") { return }
        repeat {
            self.skipBlanks()
            guard let conversation = self.identifier() else {
                throw Self.refusal(.invalidField, "The names in `cursors` must be ids of conversations.")
            }
            self.skipBlanks()
            try self.expect(":")
            self.skipBlanks()
            let (seq, state) = try self.cursor()
            guard request.cursors.count < SyncRequest.cursorsMax || request.cursors[conversation] != nil else {
                throw Self.refusal(.tooLarge, "There are more than \(SyncRequest.cursorsMax) `cursors`.")
            }
            request.cursors[conversation] = seq
            request.states[conversation] = state
            self.skipBlanks()
        } while self.take(",")
        try self.expect("}")
    }

    /// The number of a message, or an array of that and the version of a state.
    private mutating func cursor() throws(Refusal) -> (seq: UInt64, state: UInt64?) {
        let isPair = self.take("[")
        if isPair { self.skipBlanks() }
        let seq = try self.cursorNumber()
        guard isPair else { return (seq, nil) }
        self.skipBlanks()
        guard self.take(",") else { throw Self.cursorRefusal }
        self.skipBlanks()
        let state = try self.cursorNumber()
        self.skipBlanks()
        guard self.take("]") else { throw Self.cursorRefusal }
        return (seq, state)
    }

    private mutating func cursorNumber() throws(Refusal) -> UInt64 {
        guard let number = self.integer(), number <= UInt64(Int64.max) else { throw Self.cursorRefusal }
        return number
    }

    private static var cursorRefusal: Refusal {
        Self.refusal(
            .invalidField,
            "The values in `cursors` must be integers that are not negative, or arrays of two such integers."
        )
    }

    // MARK: - Values

    /// A quoted UUID, of lower or upper case.
    private mutating func identifier() -> ConversationID? {
        guard self.bytes.count - self.position >= 38, self.current == UInt8(ascii: "\""),
            self.bytes[self.position + 37] == UInt8(ascii: "\"")
        else { return nil }
        var value: UInt128 = 0
        for index in 0..<36 {
            let byte = self.bytes[self.position + 1 + index]
            if index == 8 || index == 13 || index == 18 || index == 23 {
                guard byte == UInt8(ascii: "-") else { return nil }
                continue
            }
            let digit: UInt8
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte - UInt8(ascii: "A") + 10
            default: return nil
            }
            value = value << 4 | UInt128(digit)
        }
        self.position += 38
        return ConversationID(value: value)
    }

    /// Digits without sign, fraction, exponent and leading zeros.
    private mutating func integer() -> UInt64? {
        let start = self.position
        var value: UInt64 = 0
        while let byte = self.current, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) {
            let (product, isTooLarge) = value.multipliedReportingOverflow(by: 10)
            let (sum, isStillTooLarge) = product.addingReportingOverflow(UInt64(byte - UInt8(ascii: "0")))
            guard !isTooLarge, !isStillTooLarge else { return nil }
            value = sum
            self.position += 1
        }
        let digits = self.position - start
        guard digits > 0, digits == 1 || self.bytes[start] != UInt8(ascii: "0") else { return nil }
        switch self.current {
        case UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"): return nil
        default: return value
        }
    }

    /// A string. Escapes are left to the general decoder, which reads this one value.
    private mutating func string() throws(Refusal) -> String {
        guard self.current == UInt8(ascii: "\"") else { throw Self.malformed }
        let start = self.position
        let hasEscapes = try self.skipString()
        guard hasEscapes else {
            let text = UnsafeRawBufferPointer(rebasing: self.bytes[(start + 1)..<(self.position - 1)])
            guard let valid = String(validating: text, as: UTF8.self) else { throw Self.malformed }
            return valid
        }
        let quoted = self.bytes[start..<self.position]
        guard let texts = try? JSONBody.decode([String].self, from: [0x5B] + Array(quoted) + [0x5D]),
            let text = texts.first
        else { throw Self.malformed }
        return text
    }

    /// Returns whether there are escapes in it.
    private mutating func skipString() throws(Refusal) -> Bool {
        self.position += 1
        var hasEscapes = false
        while let byte = self.current {
            self.position += 1
            switch byte {
            case UInt8(ascii: "\""): return hasEscapes
            case UInt8(ascii: "\\"):
                hasEscapes = true
                self.position += 1
            case 0..<0x20: throw Self.malformed
            default: break
            }
        }
        throw Self.malformed
    }

    private static let depthMax = 32

    /// Passes over a value of a field that is not known.
    private mutating func skipValue(depth: Int) throws(Refusal) {
        guard depth < Self.depthMax else { throw Self.malformed }
        switch self.current {
        case UInt8(ascii: "\""): _ = try self.skipString()
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            let isObject = self.current == UInt8(ascii: "{")
            self.position += 1
            self.skipBlanks()
            if self.take(isObject ? "}" : "]") { return }
            repeat {
                self.skipBlanks()
                if isObject {
                    guard self.current == UInt8(ascii: "\"") else { throw Self.malformed }
                    _ = try self.skipString()
                    self.skipBlanks()
                    try self.expect(":")
                    self.skipBlanks()
                }
                try self.skipValue(depth: depth + 1)
                self.skipBlanks()
            } while self.take(",")
            try self.expect(isObject ? "}" : "]")
        default:
            if self.takeWord("true") || self.takeWord("false") || self.takeWord("null") { return }
            let start = self.position
            while let byte = self.current, Self.isInNumber(byte) { self.position += 1 }
            guard self.position > start else { throw Self.malformed }
        }
    }

    private static func isInNumber(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."),
            UInt8(ascii: "e"), UInt8(ascii: "E"):
            true
        default: false
        }
    }

    // MARK: - Bytes

    private var current: UInt8? {
        self.position < self.bytes.count ? self.bytes[self.position] : nil
    }

    private mutating func skipBlanks() {
        while let byte = self.current, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
            self.position += 1
        }
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard self.current == UInt8(ascii: character) else { return false }
        self.position += 1
        return true
    }

    private mutating func takeWord(_ word: StaticString) -> Bool {
        let count = word.utf8CodeUnitCount
        guard self.bytes.count - self.position >= count else { return false }
        let matches = word.withUTF8Buffer { word in
            (0..<count).allSatisfy { self.bytes[self.position + $0] == word[$0] }
        }
        if matches { self.position += count }
        return matches
    }

    private mutating func expect(_ character: Unicode.Scalar) throws(Refusal) {
        guard self.take(character) else { throw Self.malformed }
    }

    private static var malformed: Refusal { Self.refusal(.malformed, "This is not valid JSON.") }

    private static func refusal(_ code: ErrorCode, _ message: String) -> Refusal {
        Refusal(failure: Failure(code, message))
    }
}
