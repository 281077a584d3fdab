// SPDX-License-Identifier: Apache-2.0

internal import Fields
internal import Messaging

/// A value that is a record of tagged fields in the binary protocol. Numbers are never used again for something else; a
/// field that is not known is passed over.
protocol BinaryFields {
    func write(into writer: inout FieldWriter)
    init(from reader: inout FieldReader) throws(FieldError)
}

extension FieldWriter {
    mutating func groups(_ number: Int, _ values: [some BinaryFields]) {
        for value in values {
            self.nested(number) { value.write(into: &$0) }
        }
    }

    mutating func choice<Value: RawRepresentable>(_ number: Int, _ value: Value)
    where Value.RawValue: FixedWidthInteger {
        self.integer(number, value.rawValue)
    }

    mutating func time(_ number: Int, _ value: Timestamp) {
        self.integer(number, value.milliseconds)
    }
}

extension FieldReader.Field {
    /// What is wrong inside of it is told of the field itself: numbers have a meaning only within their record.
    func group<Value: BinaryFields>(as: Value.Type = Value.self) throws(FieldError) -> Value {
        var reader = FieldReader(try self.buffer())
        do throws(FieldError) {
            return try Value(from: &reader)
        } catch {
            throw .invalidValue(field: self.number)
        }
    }

    func ids<Kind>(atMost limit: Int = .max) throws(FieldError) -> [Identifier<Kind>] {
        try self.identifiers(atMost: limit)
    }

    /// A value of a numbered enumeration; a number that this version does not know is refused.
    func choice<Value: RawRepresentable>() throws(FieldError) -> Value where Value.RawValue == UInt8 {
        guard let number = UInt8(exactly: try self.number64()), let value = Value(rawValue: number) else {
            throw .invalidValue(field: self.number)
        }
        return value
    }

    func time() throws(FieldError) -> Timestamp {
        Timestamp(try self.integer())
    }
}

extension Optional {
    func required(_ number: Int) throws(FieldError) -> Wrapped {
        guard let self else { throw .missing(field: number) }
        return self
    }
}

extension BinaryMessage {
    /// The number that the sender of a command gave it. It is the first field of what this version writes, but another
    /// order is as good.
    func commandID() throws(FieldError) -> UInt64? {
        var reader = FieldReader(self.fields)
        while let field = try reader.next() {
            if field.number == 1 { return try field.number64() }
        }
        return nil
    }
}

extension Failure {
    /// What is told about a message that could not be read; never repeats what was sent.
    init(reading error: FieldError, of layout: BinaryLayout) {
        switch error {
        case .truncated, .varintTooLong, .malformedTag:
            self.init(.malformed, "The fields of `\(layout.name)` are not in the Protocol Buffers wire format.")
        case .wrongType(let number), .invalidValue(let number):
            let field = layout.field(number)
            self.init(.invalidField, "The field `\(field.name)` \(field.rule).")
        case .tooMany(let number):
            let field = layout.field(number)
            self.init(.tooLarge, "The field `\(field.name)` has more than \(field.bound).")
        case .missing(let number):
            self.init(.missingField, "The field `\(layout.field(number).name)` is missing.")
        }
    }
}
