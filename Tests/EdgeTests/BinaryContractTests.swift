// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import Messaging
import NIOCore
import Testing

@testable import Edge

/// Holds `/binary.proto` and the code together.
@Suite("The Protocol Buffers document")
struct BinaryContractTests {
    private struct Field: Hashable {
        var number: Int
        var label: String
        var type: String
        var name: String
        var comment: String
    }

    private struct Document {
        var messages: [String: [Field]] = [:]
        var enumerations: [String: [String: Int]] = [:]
    }

    private static func document() -> Document {
        let text = String(decoding: PackageResources.binary_proto, as: UTF8.self)
        var document = Document()
        var message: String?
        var enumeration: String?
        for line in text.split(separator: "\n") where !line.hasPrefix("//") {
            if let found = line.wholeMatch(of: #/message (\w+) \{(\})?/#) {
                document.messages[String(found.1)] = []
                message = found.2 == nil ? String(found.1) : nil
            } else if let found = line.wholeMatch(of: #/enum (\w+) \{/#) {
                enumeration = String(found.1)
                document.enumerations[String(found.1)] = [:]
            } else if line == "}" {
                (message, enumeration) = (nil, nil)
            } else if let enumeration, let found = line.wholeMatch(of: #/  (\w+) = (\d+);/#) {
                document.enumerations[enumeration]?[String(found.1)] = Int(found.2)
            } else if let message,
                let found = line.wholeMatch(of: #/  (?:(optional|repeated) )?(\w+) (\w+) = (\d+);(?:  // (.*))?/#)
            {
                document.messages[message]?.append(
                    Field(
                        number: Int(found.4) ?? 0,
                        label: String(found.1 ?? ""),
                        type: String(found.2),
                        name: String(found.3),
                        comment: String(found.5 ?? "")
                    )
                )
            } else {
                #expect(line.hasPrefix("syntax") || line.hasPrefix("package"), "\(line)")
            }
        }
        return document
    }

    private static func camelCase(_ name: String) -> String {
        name.split(separator: "_").map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
    }

    private static func check(_ fields: [Field], _ layout: BinaryLayout) {
        #expect(fields.map(\.number) == layout.fields.map(\.number), "\(layout.name)")
        for (found, field) in zip(fields, layout.fields) {
            let name = "\(layout.name).\(field.name)"
            #expect(found.name == field.name)
            let type =
                switch field.kind {
                case .number, .time: "uint64"
                case .flag: "bool"
                case .text: "string"
                case .id, .ids: "bytes"
                case .choice(let name), .groups(let name): name
                }
            #expect(found.type == type, "\(name)")
            let isRepeated = if case .groups = field.kind { true } else { false }
            #expect(found.label == (isRepeated ? "repeated" : field.isOptional ? "optional" : ""), "\(name)")
            if case .ids = field.kind { #expect(found.comment.contains("16 bytes each"), "\(name)") }
            guard let limit = field.atMost else { continue }
            let unit = field.kind == .text ? "bytes" : "elements"
            #expect(found.comment.contains("at most \(limit) \(unit)"), "\(name): \(found.comment)")
        }
    }

    @Test("Its messages and records have the fields that there are, and there are no others")
    func messages() throws {
        var messages = Self.document().messages
        for name in ClientCommand.Name.allCases {
            let found = messages.removeValue(forKey: Self.camelCase(name.rawValue) + "Command")
            let fields = try #require(found)
            Self.check(fields, .command(name))
        }
        for name in ServerMessage.Name.allCases {
            let kind = name.binaryType < 128 ? "Answer" : "Event"
            let found = messages.removeValue(forKey: Self.camelCase(name.rawValue) + kind)
            let fields = try #require(found)
            Self.check(fields, .message(name))
        }
        for group in BinaryLayout.groups {
            let found = messages.removeValue(forKey: group.name)
            Self.check(try #require(found), group)
        }
        #expect(messages.isEmpty, "\(messages.keys)")
    }

    @Test("Its types are the bytes that there are")
    func types() {
        var expected = ["TYPE_UNSPECIFIED": 0]
        for name in ClientCommand.Name.allCases {
            expected[name.rawValue.uppercased() + "_COMMAND"] = Int(name.binaryType)
        }
        for name in ServerMessage.Name.allCases {
            expected[name.rawValue.uppercased() + (name.binaryType < 128 ? "_ANSWER" : "_EVENT")] = Int(name.binaryType)
        }
        #expect(Self.document().enumerations["Type"] == expected)
    }

    @Test("Its enumerations have the values that there are")
    func enumerations() {
        var enumerations = Self.document().enumerations
        enumerations["Type"] = nil
        for (name, values) in BinaryLayout.choices {
            let prefix = name.replacing(#/[A-Z]/#) { "_" + $0.output.lowercased() }.dropFirst().uppercased()
            var expected = [prefix + "_UNSPECIFIED": 0]
            for (value, number) in values { expected[prefix + "_" + value.uppercased()] = number }
            let found = enumerations.removeValue(forKey: name)
            #expect(found == expected)
        }
        #expect(enumerations.isEmpty, "\(enumerations.keys)")
    }

    @Test("What its text says of names, bounds and bytes is so")
    func text() {
        let text = String(decoding: PackageResources.binary_proto, as: UTF8.self)
            .replacing("\n// ", with: " ")
        #expect(text.contains("`\(ClientSubprotocol.binary.rawValue)`"))
        #expect(text.contains("`\(ClientSubprotocol.binary.rawValue), \(ClientSubprotocol.json.rawValue)`"))
        #expect(text.contains("up to \(BinaryCommands.commandsMax) commands"))
        #expect(text.contains("close code \(CloseCode.textMessage.rawValue)"))
        #expect(text.contains("with \(CloseCode.binaryMessage.rawValue) where JSON is spoken"))
        func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
            bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined(separator: " ")
        }
        let ping = CommandMessage(id: 7, command: .ping).encodedBinary()
        let pong = ServerMessage.pong(7).encodedBinary()
        #expect(text.contains("the four bytes \(hexadecimal(ping.readableBytesView)):"))
        #expect(text.contains("by \(hexadecimal(pong.readableBytesView)):"))
    }
}
