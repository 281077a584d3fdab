// SPDX-License-Identifier: Apache-2.0

import Directory
import Messaging
import Router
import Wire

extension Benchmark {
    /// Which edges a router tells, for audiences whose edges know them by number.
    static let audience: [Benchmark] = [1000, 100_000].flatMap { members in
        [
            Benchmark("audience.deliver.\(members)", "a message to \(members) members on two edges, frames included") {
                var (audience, list) = Self.audience(of: members)
                var random = Samples.Random(seed: 5)
                let message = Samples.message(7, in: Self.conversation, &random)
                let parcel = Parcel(conversation: Self.conversation, content: .message(message), members: list)
                return Case { count in
                    for _ in 0..<count {
                        for case .send(_, _, let recipients, let number, let isBroadcast) in audience.deliver(
                            parcel,
                            now: Samples.now
                        ) {
                            let deliver = Deliver(
                                message: message,
                                recipients: number > 0 ? [] : recipients,
                                isBroadcast: isBroadcast,
                                audience: number
                            )
                            keep(deliver.encoded())
                        }
                    }
                }
            },
            Benchmark("audience.attach.\(members)", "one of \(members) members comes to an edge, or leaves it") {
                var (audience, list) = Self.audience(of: members)
                return Case { count in
                    for index in 0..<count {
                        let users = [list.users[index / 2 % list.users.count]]
                        keep(
                            audience.attachmentChanged(
                                edge: "edge-1",
                                attached: index % 2 == 0 ? [] : users,
                                detached: index % 2 == 0 ? users : []
                            )
                        )
                    }
                }
            },
        ]
    }

    private static let conversation = ConversationID(value: 0xC0)

    /// Half of the members on each of two edges, which were told.
    private static func audience(of count: Int) -> (Audience, MemberList) {
        let edges = (1...2).map { EdgeLife(edge: "edge-\($0)", incarnation: Incarnation(value: UInt128($0))) }
        let list = MemberList(
            (0..<count).map { Member(user: Samples.user($0), role: .member) },
            version: 1
        )
        var audience = Audience()
        audience.linksChanged(Set(edges))
        for edge in edges {
            audience.registrationChanged(edge: edge.edge, isRegistered: true, takesAudiences: true)
        }
        var random = Samples.Random(seed: 5)
        let message = Samples.message(1, in: Self.conversation, &random)
        let parcel = Parcel(conversation: Self.conversation, content: .message(message), members: list)
        for case .lookUp(let conversation, let token, let users) in audience.deliver(parcel, now: Samples.now) {
            let found = Dictionary(
                users.enumerated().map { ($0.element, [edges[$0.offset % 2]]) },
                uniquingKeysWith: { first, _ in first }
            )
            _ = audience.lookedUp(
                conversation,
                token: token,
                answer: .found(found, complete: Set(edges)),
                now: Samples.now
            )
        }
        // The first message after that tells the numbers.
        _ = audience.deliver(parcel, now: Samples.now)
        return (audience, list)
    }
}
