// SPDX-License-Identifier: Apache-2.0

package import Messaging

/// Writes JSON (RFC 8259) straight into bytes, without the intermediate values that `JSONEncoder` makes: the encoding
/// of one message is on the path of every delivery.
package struct JSONWriter {
    package private(set) var bytes: [UInt8] = []

    package init(reservingBytes capacity: Int = 256) {
        self.bytes.reserveCapacity(capacity)
    }

    /// Writes `{…}`.
    package mutating func object(_ write: (inout Object) -> Void) {
        var object = Object(bytes: self.bytes)
        // Two owners of one array would copy it.
        self.bytes = []
        object.bytes.append(UInt8(ascii: "{"))
        write(&object)
        object.bytes.append(UInt8(ascii: "}"))
        self.bytes = object.bytes
    }

    /// The fields of one object, in the order in which they are written. Names must need no escapes.
    package struct Object {
        fileprivate var bytes: [UInt8]
        private var isEmpty = true

        fileprivate init(bytes: [UInt8]) {
            self.bytes = bytes
        }

        package mutating func string(_ name: StaticString, _ value: String) {
            self.name(name)
            self.bytes.append(UInt8(ascii: "\""))
            self.escaped(value)
            self.bytes.append(UInt8(ascii: "\""))
        }

        /// A string of this program that needs no escapes.
        package mutating func literal(_ name: StaticString, _ value: String) {
            self.name(name)
            self.bytes.append(UInt8(ascii: "\""))
            self.bytes.append(contentsOf: value.utf8)
            self.bytes.append(UInt8(ascii: "\""))
        }

        package mutating func integer(_ name: StaticString, _ value: UInt64) {
            self.name(name)
            self.digits(value)
        }

        package mutating func flag(_ name: StaticString, _ value: Bool) {
            self.name(name)
            self.bytes.append(contentsOf: (value ? "true" : "false").utf8)
        }

        package mutating func identifier<Kind>(_ name: StaticString, _ value: Identifier<Kind>) {
            self.name(name)
            self.bytes.append(UInt8(ascii: "\""))
            self.hexadecimal(value.value)
            self.bytes.append(UInt8(ascii: "\""))
        }

        /// A field whose name is an id.
        package mutating func integer<Kind>(named name: Identifier<Kind>, _ value: UInt64) {
            self.name(name)
            self.digits(value)
        }

        /// A field whose name is an id, with an array of two numbers.
        package mutating func integers<Kind>(named name: Identifier<Kind>, _ first: UInt64, _ second: UInt64) {
            self.name(name)
            self.bytes.append(UInt8(ascii: "["))
            self.digits(first)
            self.bytes.append(UInt8(ascii: ","))
            self.digits(second)
            self.bytes.append(UInt8(ascii: "]"))
        }

        private mutating func name<Kind>(_ name: Identifier<Kind>) {
            if !self.isEmpty { self.bytes.append(UInt8(ascii: ",")) }
            self.isEmpty = false
            self.bytes.append(UInt8(ascii: "\""))
            self.hexadecimal(name.value)
            self.bytes.append(UInt8(ascii: "\""))
            self.bytes.append(UInt8(ascii: ":"))
        }

        package mutating func identifiers<Kind>(_ name: StaticString, _ values: [Identifier<Kind>]) {
            self.name(name)
            self.bytes.append(UInt8(ascii: "["))
            for (index, value) in values.enumerated() {
                if index > 0 { self.bytes.append(UInt8(ascii: ",")) }
                self.bytes.append(UInt8(ascii: "\""))
                self.hexadecimal(value.value)
                self.bytes.append(UInt8(ascii: "\""))
            }
            self.bytes.append(UInt8(ascii: "]"))
        }

        package mutating func messageID(_ name: StaticString, _ value: MessageID) {
            self.name(name)
            self.bytes.append(UInt8(ascii: "\""))
            self.hexadecimal(value.conversation.value)
            self.bytes.append(UInt8(ascii: "."))
            self.digits(value.seq)
            self.bytes.append(UInt8(ascii: "\""))
        }

        package mutating func timestamp(_ name: StaticString, _ value: Timestamp) {
            self.name(name)
            self.bytes.append(UInt8(ascii: "\""))
            value.write(to: &self.bytes)
            self.bytes.append(UInt8(ascii: "\""))
        }

        package mutating func object(_ name: StaticString, _ write: (inout Object) -> Void) {
            self.name(name)
            self.nested(write)
        }

        package mutating func array<Element>(
            _ name: StaticString,
            _ values: [Element],
            _ write: (inout Object, Element) -> Void
        ) {
            self.name(name)
            self.bytes.append(UInt8(ascii: "["))
            for (index, value) in values.enumerated() {
                if index > 0 { self.bytes.append(UInt8(ascii: ",")) }
                self.nested { write(&$0, value) }
            }
            self.bytes.append(UInt8(ascii: "]"))
        }

        private mutating func nested(_ write: (inout Object) -> Void) {
            var nested = Object(bytes: self.bytes)
            self.bytes = []
            nested.bytes.append(UInt8(ascii: "{"))
            write(&nested)
            nested.bytes.append(UInt8(ascii: "}"))
            self.bytes = nested.bytes
        }

        private mutating func name(_ name: StaticString) {
            if !self.isEmpty { self.bytes.append(UInt8(ascii: ",")) }
            self.isEmpty = false
            self.bytes.append(UInt8(ascii: "\""))
            name.withUTF8Buffer { self.bytes.append(contentsOf: $0) }
            self.bytes.append(UInt8(ascii: "\""))
            self.bytes.append(UInt8(ascii: ":"))
        }

        private mutating func digits(_ value: UInt64) {
            var text = InlineArray<20, UInt8>(repeating: 0)
            var start = 20
            var rest = value
            repeat {
                start -= 1
                text[start] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
                rest /= 10
            } while rest > 0
            for index in start..<20 { self.bytes.append(text[index]) }
        }

        private mutating func hexadecimal(_ value: UInt128) {
            withUnsafeTemporaryAllocation(of: UInt8.self, capacity: UUIDText.count) { text in
                UUIDText.write(value, to: text)
                self.bytes.append(contentsOf: text)
            }
        }

        /// Runs that need no escape are copied whole: of most texts that is all of it.
        private mutating func escaped(_ value: String) {
            var value = value
            value.withUTF8 { text in
                var start = 0
                for (index, byte) in text.enumerated() {
                    guard byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") else { continue }
                    self.bytes.append(contentsOf: text[start..<index])
                    self.escape(byte)
                    start = index + 1
                }
                self.bytes.append(contentsOf: text[start...])
            }
        }

        /// Only what RFC 8259 §7 says must be escaped.
        private mutating func escape(_ byte: UInt8) {
            self.bytes.append(UInt8(ascii: "\\"))
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): self.bytes.append(byte)
            case 0x08: self.bytes.append(UInt8(ascii: "b"))
            case 0x09: self.bytes.append(UInt8(ascii: "t"))
            case 0x0A: self.bytes.append(UInt8(ascii: "n"))
            case 0x0C: self.bytes.append(UInt8(ascii: "f"))
            case 0x0D: self.bytes.append(UInt8(ascii: "r"))
            default:
                let low = byte & 0xF
                self.bytes.append(contentsOf: byte < 0x10 ? "u000".utf8 : "u001".utf8)
                self.bytes.append(low < 10 ? UInt8(ascii: "0") + low : UInt8(ascii: "a") + low - 10)
            }
        }
    }
}
