// SPDX-License-Identifier: Apache-2.0

import Placement

extension MessageTrace {
    /// For people.
    package func text() -> String {
        var table = TextTable("message", self.message)
        table.add("content", "\(self.kind), \(counted(self.bodyBytes, "byte")); what it says is not shown")
        table.add("conversation", self.conversationText)
        table.add(
            "place",
            "slot \(self.conversation.slot) of \(Slot.count), on \(self.conversation.shard) by version "
                + "\(self.conversation.mapVersion) of the shard map, in \(self.table)"
        )
        table.add("owner now", self.ownerText)
        table.add("sender", "\(self.sender), device \(self.senderDevice)")
        table.add(
            "id made",
            "\(self.clientTime ?? "at a time that it does not tell") by the sender's clock: \(self.clientMessageId)"
        )
        let way = self.millisecondsOnTheWay.map { ", \($0 < 0 ? "" : "+")\($0) ms by the two clocks" } ?? ""
        table.add("accepted", "\(self.acceptedAt) by the router that gave it number \(self.seq)\(way)")
        table.add(
            "sent again",
            self.isClientIdKept
                ? "it is answered with this number and not stored twice" : "it is refused: the id is not kept any more"
        )
        table.add("recipients", self.recipientsText)
        table.add("connected", self.connectedText)
        if let changes = self.listChanges { table.add("lists", Self.text(of: changes)) }
        return table.text() + "\n" + self.listText + self.unknown.map { "not known: \($0)\n" }.joined()
    }

    private var conversationText: String {
        guard let conversation = self.conversation.conversation else { return self.conversation.id }
        return "\(conversation.kind), \(counted(conversation.members, "member")), newest number \(conversation.headSeq)"
            + (conversation.isDeleted ? ", deleted" : "")
    }

    private var ownerText: String {
        guard let router = self.conversation.router else { return "nobody that is known" }
        let address = self.conversation.routerAddress.map { " at \($0)" } ?? ""
        return "\(router)\(address)" + (self.conversation.epoch.map { ", under epoch \($0) of the shard" } ?? "")
    }

    private var recipientsText: String {
        guard self.recipients.count > 0 else { return "nobody: no other member of now had joined before it" }
        let count = self.recipients.count
        return "\(count): delivered to \(self.recipients.delivered) of \(count), read by \(self.recipients.read)"
    }

    private var connectedText: String {
        guard let connected = self.recipients.connected else { return "not known" }
        let asked =
            self.recipients.looked < self.recipients.count ? " of the \(self.recipients.looked) furthest behind" : ""
        let edges = self.recipients.edges.map { "\($0.edge) (\(counted($0.users, "user")))" }
        return "\(connected) of them\(asked)" + (edges.isEmpty ? "" : ": \(edges.joined(separator: ", "))")
    }

    private static func text(of changes: ListChanges) -> String {
        guard changes.waiting > 0 else { return "every change of who is a member is in the members' lists" }
        let count = (changes.isLowerBound ? "at least " : "") + counted(changes.waiting, "change")
        return "\(count) of who is a member wait to be put into members' lists"
            + (changes.oldest.map { ", the oldest since \($0)" } ?? "")
    }

    private var listText: String {
        guard !self.listed.isEmpty else { return "" }
        var table = TextTable("RECIPIENT", "STATUS", "DELIVERED TO", "READ TO", "CONNECTED AT")
        for recipient in self.listed {
            table.add(
                recipient.user,
                recipient.status,
                "\(recipient.deliveredSeq)",
                "\(recipient.readSeq)",
                recipient.edges.map { $0.isEmpty ? "-" : $0.joined(separator: ", ") } ?? "not known"
            )
        }
        let others = self.recipients.count - self.listed.count
        return "\n" + table.text() + "\n" + (others > 0 ? "and \(others) more, who have come as far or farther\n" : "")
    }
}
