// SPDX-License-Identifier: Apache-2.0

// The type bytes of the binary protocol: 1…63 commands, 64…127 answers, 128…255 events. None is ever changed or used again
// for something else.

extension ClientCommand.Name {
    package var binaryType: UInt8 {
        switch self {
        case .authenticate: 1
        case .sendMessage: 2
        case .messageDelivered: 3
        case .messageRead: 4
        case .sync: 5
        case .watchPresence: 6
        case .setStatus: 7
        case .setTyping: 8
        case .ping: 9
        }
    }

    /// By type.
    private static let known: [Self?] = {
        var known: [Self?] = Array(repeating: nil, count: 256)
        for name in Self.allCases { known[Int(name.binaryType)] = name }
        return known
    }()

    package init?(binaryType: UInt8) {
        guard let name = Self.known[Int(binaryType)] else { return nil }
        self = name
    }
}

extension ServerMessage.Name {
    package var binaryType: UInt8 {
        switch self {
        case .authenticated: 64
        case .messageSent: 65
        case .receiptStored: 66
        case .pong: 67
        case .synced: 68
        case .presenceWatched: 69
        case .statusSet: 70
        case .error: 71
        case .newMessage: 128
        case .syncMessages: 129
        case .syncReceipts: 130
        case .conversationCreated: 131
        case .conversationUpdated: 132
        case .conversationDeleted: 133
        case .memberAdded: 134
        case .memberRemoved: 135
        case .roleChanged: 136
        case .messageDelivered: 137
        case .messageRead: 138
        case .userOnline: 139
        case .userOffline: 140
        case .typing: 141
        case .resync: 142
        case .reconnect: 143
        }
    }

    /// By type.
    private static let known: [Self?] = {
        var known: [Self?] = Array(repeating: nil, count: 256)
        for name in Self.allCases { known[Int(name.binaryType)] = name }
        return known
    }()

    package init?(binaryType: UInt8) {
        guard let name = Self.known[Int(binaryType)] else { return nil }
        self = name
    }
}
