// SPDX-License-Identifier: Apache-2.0

import Fields
import Messaging
import NIOCore
import Wire

/// What one router is asked to pass on at one go, in its order. Pure.
package struct RelayBatch: Sendable {
    /// Far below what one payload of the mesh may hold, so that a block is not held up by it.
    static let bytesMax = 256 << 10

    package let router: String
    package private(set) var request = Relay(items: [])
    /// Of each item.
    private var conversations: [ConversationID] = []
    private var bytes = 0
    /// The message of the last item: for the next edge it needs no item of its own.
    private var lastSeq: UInt64 = 0

    init(router: String) {
        self.router = router
    }

    var isFull: Bool { self.bytes >= Self.bytesMax || self.request.items.count >= Relay.itemsMax }

    /// Everything in it concerns these.
    package var edges: Set<String> { Set(self.request.items.flatMap { $0.targets.map(\.edge) }) }

    /// The conversations of what an edge was to get.
    func conversations(of edge: String) -> [ConversationID] {
        zip(self.conversations, self.request.items).filter { $1.targets.contains { $0.edge == edge } }.map(\.0)
    }

    package mutating func add(_ message: Message, edge: String, recipients: [UserID], audience: UInt64) {
        let deliver = Deliver(
            message: message,
            recipients: audience > 0 ? [] : recipients,
            isBroadcast: false,
            audience: audience
        )
        var rest = FieldWriter()
        deliver.encodeRecipients(into: &rest)
        let target = Relay.Target(edge: edge, rest: rest.buffer)
        self.bytes += target.rest.readableBytes + edge.utf8.count
        if let last = self.request.items.indices.last, self.lastSeq == message.seq,
            self.conversations[last] == message.conversation, self.request.items[last].targets.count < Relay.targetsMax
        {
            self.request.items[last].targets.append(target)
            return
        }
        let body = Deliver(message: message, recipients: [], isBroadcast: false).encoded()
        self.append(.deliver, body, target, of: message.conversation)
        self.lastSeq = message.seq
    }

    mutating func add(_ update: AudienceUpdate, edge: String) {
        self.append(.audience, update.encoded(), Relay.Target(edge: edge), of: update.conversation)
        self.lastSeq = 0
    }

    private mutating func append(
        _ kind: NotificationKind,
        _ body: ByteBuffer,
        _ target: Relay.Target,
        of conversation: ConversationID
    ) {
        self.request.items.append(Relay.Item(kind: kind.rawValue, body: body, targets: [target]))
        self.conversations.append(conversation)
        self.bytes += body.readableBytes
    }
}

/// What one round of an audience has others pass on, by router, each in its order. Pure.
package struct RelayBatches {
    package private(set) var all: [RelayBatch] = []
    /// The batch that is being filled.
    private var open: [String: Int] = [:]

    package init() {}

    package mutating func add(to router: String, _ body: (inout RelayBatch) -> Void) {
        var index = self.open[router] ?? self.all.endIndex
        if index < self.all.endIndex, self.all[index].isFull { index = self.all.endIndex }
        if index == self.all.endIndex { self.all.append(RelayBatch(router: router)) }
        self.open[router] = index
        body(&self.all[index])
    }
}
