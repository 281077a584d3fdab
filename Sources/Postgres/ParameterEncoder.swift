// SPDX-License-Identifier: Apache-2.0

/// The parameters of one statement in the binary formats of the server's `*_recv` functions, in one buffer.
///
/// Arrays follow `array_recv`: dimensions, a flag for nulls, the type of the elements, then per dimension its length
/// and lower bound, then each element with its length in front.
struct ParameterEncoder {
    /// Bytes of all the parameters of a statement. The protocol's own limit is 1 GiB.
    static let parameterBytesMax = 256 * 1024 * 1024

    /// Starts with one byte that belongs to no parameter: the address of an empty value must not be that of an empty
    /// buffer, which is null and would be read as SQL's null.
    private(set) var bytes: [UInt8] = [0]
    private(set) var types: [UInt32] = []
    /// Where each parameter starts in ``bytes``, nil for a null.
    private(set) var offsets: [Int?] = []
    private(set) var lengths: [Int32] = []

    init(_ values: [PostgresValue]) throws(PostgresError) {
        for value in values {
            let start = self.bytes.count
            self.types.append(value.type.rawValue)
            if case .null = value {
                self.offsets.append(nil)
                self.lengths.append(0)
                continue
            }
            self.append(value)
            guard self.bytes.count <= Self.parameterBytesMax else {
                throw PostgresError(
                    .unexpectedAnswer,
                    "the parameters of the statement take more than \(Self.parameterBytesMax) bytes"
                )
            }
            self.offsets.append(start)
            self.lengths.append(Int32(self.bytes.count - start))
        }
    }

    private mutating func append(_ value: PostgresValue) {
        switch value {
        case .null: break
        case .bool(let value): self.bytes.append(value ? 1 : 0)
        case .int2(let value): self.append(integer: value)
        case .int4(let value): self.append(integer: value)
        case .int8(let value): self.append(integer: value)
        case .text(let value): self.bytes.append(contentsOf: value.utf8)
        case .bytea(let value): self.bytes.append(contentsOf: value)
        case .uuid(let value): self.append(integer: value)
        case .int2Array(let values): self.append(integers: values, of: .int2)
        case .int8Array(let values): self.append(integers: values, of: .int8)
        case .uuidArray(let values): self.append(integers: values, of: .uuid)
        case .textArray(let values):
            self.appendHeader(count: values.count, of: .text)
            for value in values {
                self.append(integer: Int32(truncatingIfNeeded: value.utf8.count))
                self.bytes.append(contentsOf: value.utf8)
            }
        case .byteaArray(let values):
            self.appendHeader(count: values.count, of: .bytea)
            for value in values {
                self.append(integer: Int32(truncatingIfNeeded: value.count))
                self.bytes.append(contentsOf: value)
            }
        }
    }

    private mutating func append(integers values: [some FixedWidthInteger], of type: PostgresType) {
        self.appendHeader(count: values.count, of: type)
        for value in values {
            self.append(integer: Int32(value.bitWidth / 8))
            self.append(integer: value)
        }
    }

    private mutating func appendHeader(count: Int, of type: PostgresType) {
        self.append(integer: Int32(count == 0 ? 0 : 1))
        self.append(integer: Int32(0))
        self.append(integer: type.rawValue)
        guard count > 0 else { return }
        self.append(integer: Int32(truncatingIfNeeded: count))
        self.append(integer: Int32(1))
    }

    private mutating func append(integer: some FixedWidthInteger) {
        withUnsafeBytes(of: integer.bigEndian) { self.bytes.append(contentsOf: $0) }
    }
}
