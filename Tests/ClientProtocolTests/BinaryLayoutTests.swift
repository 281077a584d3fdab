// SPDX-License-Identifier: Apache-2.0

import Fields
import Messaging
import NIOCore
import TestSupport
import Testing

@testable import ClientProtocol

@Suite("The description of the binary protocol")
struct BinaryLayoutTests {
    /// Fields as they stand in bytes: number, wire type, and the record in them.
    private struct Found: Hashable {
        var number: Int
        var wireType: UInt8
        var record: ByteBuffer?
    }

    /// A reader of its own, so that the code is not compared with itself.
    private static func fields(_ buffer: ByteBuffer) -> [Found] {
        var rest = buffer
        func varint() -> UInt64 {
            var value: UInt64 = 0
            var shift: UInt64 = 0
            while let byte = rest.readInteger(as: UInt8.self) {
                value |= UInt64(byte & 0x7F) << shift
                shift += 7
                if byte < 0x80 { break }
            }
            return value
        }
        var found: [Found] = []
        while rest.readableBytes > 0 {
            let tag = varint()
            let wireType = UInt8(tag & 7)
            let value = varint()
            let record = wireType == 2 ? rest.readSlice(length: Int(value)) : nil
            found.append(Found(number: Int(tag >> 3), wireType: wireType, record: record))
        }
        return found
    }

    /// Notes which fields of which layout were seen, and checks each against it.
    private static func note(
        _ buffer: ByteBuffer,
        _ layout: BinaryLayout,
        into seen: inout [String: Set<Int>]
    ) throws {
        for found in Self.fields(buffer) {
            let field = try #require(layout.fields.first { $0.number == found.number }, "\(layout.name), \(found)")
            seen[layout.name, default: []].insert(found.number)
            switch field.kind {
            case .number, .flag, .time, .choice: #expect(found.wireType == 0, "\(layout.name).\(field.name)")
            case .text: #expect(found.wireType == 2)
            case .id: #expect(found.record?.readableBytes == 16, "\(layout.name).\(field.name)")
            case .ids: #expect((found.record?.readableBytes ?? 1) % 16 == 0)
            case .groups(let name):
                let group = try #require(BinaryLayout.groups.first { $0.name == name })
                try Self.note(try #require(found.record), group, into: &seen)
            }
        }
    }

    private static func noteAll(_ payload: ByteBuffer, _ layout: BinaryLayout, into seen: inout [String: Set<Int>])
        throws
    {
        var messages = BinaryMessages(payload)
        while let message = try messages.next() { try Self.note(message.fields, layout, into: &seen) }
    }

    @Test("It has the fields that are written, and no others")
    func complete() throws {
        var commands: [String: Set<Int>] = [:]
        for message in BinaryProtocolTests.commands {
            try Self.noteAll(message.encodedBinary(), .command(message.command.name), into: &commands)
        }
        for name in ClientCommand.Name.allCases {
            let layout = BinaryLayout.command(name)
            #expect(commands[layout.name] == Set(layout.fields.map(\.number)), "\(layout.name)")
        }
        var messages: [String: Set<Int>] = [:]
        for message in BinaryProtocolTests.messages {
            try Self.noteAll(message.encodedBinary(), .message(message.name), into: &messages)
        }
        for name in ServerMessage.Name.allCases {
            let layout = BinaryLayout.message(name)
            #expect(messages[layout.name, default: []] == Set(layout.fields.map(\.number)), "\(layout.name)")
        }
        for group in BinaryLayout.groups {
            let seen = (commands[group.name] ?? []).union(messages[group.name] ?? [])
            #expect(seen == Set(group.fields.map(\.number)), "\(group.name)")
        }
    }

    @Test("Every enumeration that a field names is described")
    func choices() {
        let layouts =
            ClientCommand.Name.allCases.map { BinaryLayout.command($0) }
            + ServerMessage.Name.allCases.map { BinaryLayout.message($0) } + BinaryLayout.groups
        for case .choice(let name) in layouts.flatMap(\.fields).map(\.kind) {
            #expect(BinaryLayout.choices[name]?.isEmpty == false, "\(name)")
        }
        #expect(BinaryLayout.choices["ErrorCode"]?["rate_limited"] == 60)
    }
}
