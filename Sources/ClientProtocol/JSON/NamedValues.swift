// SPDX-License-Identifier: Apache-2.0

package import Messaging

// In JSON these values are their names; their raw values belong to the mesh and the database.

extension MessageKind: Codable {
    package init(from decoder: any Decoder) throws {
        self = try decodeNamed(decoder, Self.allCases, \.name)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(self.name)
    }
}

extension ConversationKind: Codable {
    package init(from decoder: any Decoder) throws {
        self = try decodeNamed(decoder, Self.allCases, \.name)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(self.name)
    }
}

extension MemberRole: Codable {
    package init(from decoder: any Decoder) throws {
        self = try decodeNamed(decoder, Self.allCases, \.name)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(self.name)
    }
}

extension MessageStatus: Codable {
    package init(from decoder: any Decoder) throws {
        self = try decodeNamed(decoder, Self.allCases, \.name)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(self.name)
    }
}

extension ChosenStatus: Codable {
    package init(from decoder: any Decoder) throws {
        self = try decodeNamed(decoder, Self.allCases, \.name)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(self.name)
    }
}

extension ShownStatus: Codable {
    package init(from decoder: any Decoder) throws {
        self = try decodeNamed(decoder, Self.allCases, \.name)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(self.name)
    }
}

extension PresenceVisibility: Codable {
    package init(from decoder: any Decoder) throws {
        self = try decodeNamed(decoder, Self.allCases, \.name)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(self.name)
    }
}

extension ErrorCode: Codable {
    /// A code of a later version is read as `internal`.
    package init(from decoder: any Decoder) throws {
        let name = try decoder.singleValueContainer().decode(String.self)
        self = Self.allCases.first { $0.name == name } ?? .internal
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(self.name)
    }
}

extension MessageID: Codable {
    package init(from decoder: any Decoder) throws {
        guard let parsed = Self(try decoder.singleValueContainer().decode(String.self)) else {
            throw FieldRule("must be a message id, CONVERSATION.SEQ").violated(at: decoder.codingPath)
        }
        self = parsed
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(self.description)
    }
}

private func decodeNamed<Value>(
    _ decoder: any Decoder,
    _ all: [Value],
    _ name: KeyPath<Value, String>
) throws -> Value {
    let text = try decoder.singleValueContainer().decode(String.self)
    guard let value = all.first(where: { $0[keyPath: name] == text }) else {
        let names = all.map { $0[keyPath: name] }.joined(separator: ", ")
        throw FieldRule("must be one of \(names)").violated(at: decoder.codingPath)
    }
    return value
}
