// SPDX-License-Identifier: Apache-2.0

internal import CLibPQ

/// The answer to one statement. Owns the `PGresult` and frees it once; values are copied out as they are read.
///
/// Not thread-safe: it belongs to the thread that owns the connection.
package final class PostgresResult {
    let handle: OpaquePointer

    init(owning handle: OpaquePointer) {
        self.handle = handle
    }

    deinit {
        PQclear(self.handle)
    }

    package var rowCount: Int {
        Int(PQntuples(self.handle))
    }

    /// A reader for one row, which must be below ``rowCount``.
    package func row(_ index: Int) -> PostgresRow {
        precondition(index >= 0 && index < self.rowCount, "no row \(index) in \(self.rowCount)")
        return PostgresRow(result: self, index: Int32(index))
    }

    /// The first row, or nil when there is none.
    package var first: PostgresRow? {
        self.rowCount > 0 ? self.row(0) : nil
    }

    package var rows: some Sequence<PostgresRow> {
        (0..<self.rowCount).lazy.map { self.row($0) }
    }
}

@available(*, unavailable)
extension PostgresResult: Sendable {}

/// Reads the columns of one row from left to right, each as the type that the server says it has.
package struct PostgresRow {
    private let result: PostgresResult
    private let index: Int32
    private var column: Int32 = 0

    init(result: PostgresResult, index: Int32) {
        self.result = result
        self.index = index
    }

    package mutating func bool() throws(PostgresError) -> Bool {
        try self.required(self.optionalBool())
    }

    package mutating func int2() throws(PostgresError) -> Int16 {
        try self.required(self.next(.int2) { $0.integer(at: 0, as: Int16.self) })
    }

    package mutating func int4() throws(PostgresError) -> Int32 {
        try self.required(self.next(.int4) { $0.integer(at: 0, as: Int32.self) })
    }

    package mutating func int8() throws(PostgresError) -> Int64 {
        try self.required(self.optionalInt8())
    }

    package mutating func uuid() throws(PostgresError) -> UInt128 {
        try self.required(self.optionalUUID())
    }

    package mutating func text() throws(PostgresError) -> String {
        try self.required(self.optionalText())
    }

    package mutating func bytea() throws(PostgresError) -> [UInt8] {
        try self.required(self.optionalBytea())
    }

    package mutating func optionalBytea() throws(PostgresError) -> [UInt8]? {
        try self.next(.bytea) { Array($0) }
    }

    package mutating func optionalBool() throws(PostgresError) -> Bool? {
        try self.next(.bool) { $0.count == 1 ? $0[0] != 0 : nil }
    }

    package mutating func optionalInt8() throws(PostgresError) -> Int64? {
        try self.next(.int8) { $0.integer(at: 0, as: Int64.self) }
    }

    package mutating func optionalUUID() throws(PostgresError) -> UInt128? {
        try self.next(.uuid) { $0.integer(at: 0, as: UInt128.self) }
    }

    package mutating func optionalText() throws(PostgresError) -> String? {
        try self.next(.text) { String(decoding: $0, as: UTF8.self) }
    }

    package mutating func int2Array() throws(PostgresError) -> [Int16] {
        try self.required(
            self.next(.int2Array) { $0.elements(of: .int2) { $0.integer(at: 0, as: Int16.self) } }
        )
    }

    package mutating func int8Array() throws(PostgresError) -> [Int64] {
        try self.required(
            self.next(.int8Array) { $0.elements(of: .int8) { $0.integer(at: 0, as: Int64.self) } }
        )
    }

    package mutating func uuidArray() throws(PostgresError) -> [UInt128] {
        try self.required(
            self.next(.uuidArray) { $0.elements(of: .uuid) { $0.integer(at: 0, as: UInt128.self) } }
        )
    }

    package mutating func textArray() throws(PostgresError) -> [String] {
        try self.required(
            self.next(.textArray) { $0.elements(of: .text) { String(decoding: $0, as: UTF8.self) } }
        )
    }

    // MARK: -

    /// The next column, or nil when it is null. Throws when it has another type or its bytes cannot be decoded.
    private mutating func next<Value>(
        _ type: PostgresType,
        _ decode: (UnsafeRawBufferPointer) -> Value?
    ) throws(PostgresError) -> Value? {
        let column = self.column
        let handle = self.result.handle
        guard column < PQnfields(handle), PQftype(handle, column) == type.rawValue, PQfformat(handle, column) == 1
        else {
            throw PostgresError(.unexpectedAnswer, "column \(column) of the answer is not of the type \(type)")
        }
        self.column += 1
        guard PQgetisnull(handle, self.index, column) == 0 else { return nil }
        let bytes = UnsafeRawBufferPointer(
            start: PQgetvalue(handle, self.index, column),
            count: Int(PQgetlength(handle, self.index, column))
        )
        guard let value = decode(bytes) else {
            throw PostgresError(.unexpectedAnswer, "column \(column) of the answer cannot be read as \(type)")
        }
        return value
    }

    private func required<Value>(_ value: Value?) throws(PostgresError) -> Value {
        guard let value else {
            throw PostgresError(.unexpectedAnswer, "column \(self.column - 1) of the answer is null")
        }
        return value
    }
}

extension UnsafeRawBufferPointer {
    /// The big-endian integer that fills the bytes from `offset` to the end, or nil when their number is not its own.
    fileprivate func integer<Value: FixedWidthInteger & BitwiseCopyable>(at offset: Int, as: Value.Type) -> Value? {
        guard self.count - offset == MemoryLayout<Value>.size else { return nil }
        return Value(bigEndian: self.loadUnaligned(fromByteOffset: offset, as: Value.self))
    }

    private func word(at offset: Int) -> Int32? {
        guard offset >= 0, offset + 4 <= self.count else { return nil }
        return Int32(bigEndian: self.loadUnaligned(fromByteOffset: offset, as: Int32.self))
    }

    /// The elements of a one-dimensional array without nulls, in the format of `array_send`.
    fileprivate func elements<Value>(
        of type: PostgresType,
        _ decode: (UnsafeRawBufferPointer) -> Value?
    ) -> [Value]? {
        guard let dimensions = self.word(at: 0), self.word(at: 8) == Int32(type.rawValue) else { return nil }
        if dimensions == 0 { return [] }
        guard dimensions == 1, let count = self.word(at: 12), count >= 0, Int(count) <= self.count / 4 else {
            return nil
        }
        var values: [Value] = []
        values.reserveCapacity(Int(count))
        var offset = 20
        for _ in 0..<count {
            guard let length = self.word(at: offset), length >= 0, offset + 4 + Int(length) <= self.count else {
                return nil
            }
            let element = UnsafeRawBufferPointer(rebasing: self[(offset + 4)..<(offset + 4 + Int(length))])
            guard let value = decode(element) else { return nil }
            values.append(value)
            offset += 4 + Int(length)
        }
        return values
    }
}
