// SPDX-License-Identifier: Apache-2.0

import Directory
import Messaging
import Router
import Wire

extension Benchmark {
    /// What a message to very many edges costs its owner, with and without routers that pass it on, and what it costs
    /// one of these.
    static let relay: [Benchmark] = [
        Benchmark("relay.direct.400", "a message to 400 edges, a frame for each: its owner") {
            Self.sending(Self.wide(routers: 1))
        },
        Benchmark("relay.owner.400", "the same, through 19 other routers: its owner") {
            Self.sending(Self.wide(routers: 20))
        },
        Benchmark("relay.other.400", "the same: one that passes its share on") {
            var (audience, parcel) = Self.wide(routers: 20)
            let largest = Self.batches(audience.deliver(parcel, now: Samples.now)).all
                .max { $0.edges.count < $1.edges.count }
            guard let payload = largest?.request.encoded() else { return Case { _ in } }
            return Case { count in
                for _ in 0..<count {
                    guard let relay = try? Relay(decoding: payload) else { return }
                    for item in relay.items {
                        for target in item.targets {
                            keep(RelayStation.payload(item, target, of: "router-1", Incarnation(value: 1)))
                        }
                    }
                }
            }
        },
    ]

    private static let conversation = ConversationID(value: 0xC0)
    private static let edges = 400

    /// Ten members on each edge; the first message has been sent.
    private static func wide(routers: Int) -> (Audience, Parcel) {
        let edges = (1...Self.edges).map { EdgeLife(edge: "edge-\($0)", incarnation: Incarnation(value: UInt128($0))) }
        let list = MemberList(
            (0..<Self.edges * 10).map { Member(user: Samples.user($0), role: .member) },
            version: 1
        )
        var audience = Audience(own: "router-1", relayedFrom: 48)
        audience.linksChanged(Set(edges))
        for edge in edges {
            audience.registrationChanged(edge: edge.edge, isRegistered: true, takesAudiences: true)
        }
        for router in 1...routers where router > 1 {
            audience.planChanged {
                $0.reaches("router-\(router)", isWhole: true, came: edges.map(\.edge), gone: [])
            }
        }
        var random = Samples.Random(seed: 5)
        let message = Samples.message(1, in: Self.conversation, &random)
        let parcel = Parcel(conversation: Self.conversation, content: .message(message), members: list)
        for case .lookUp(let conversation, let token, let users) in audience.deliver(parcel, now: Samples.now) {
            let found = Dictionary(
                users.enumerated().map { ($0.element, [edges[$0.offset % edges.count]]) },
                uniquingKeysWith: { first, _ in first }
            )
            _ = audience.lookedUp(
                conversation,
                token: token,
                answer: .found(found, complete: Set(edges)),
                now: Samples.now
            )
        }
        return (audience, parcel)
    }

    private static func sending(_ wide: (Audience, Parcel)) -> Case {
        var (audience, parcel) = wide
        return Case { count in
            for _ in 0..<count {
                let actions = audience.deliver(parcel, now: Samples.now)
                for case .send(_, let parcel, let recipients, let number, let isBroadcast) in actions {
                    guard case .message(let message) = parcel.content else { continue }
                    let deliver = Deliver(
                        message: message,
                        recipients: number > 0 ? [] : recipients,
                        isBroadcast: isBroadcast,
                        audience: number
                    )
                    keep(deliver.encoded())
                }
                for batch in Self.batches(actions).all { keep(batch.request.encoded()) }
            }
        }
    }

    private static func batches(_ actions: [Audience.Action]) -> RelayBatches {
        var batches = RelayBatches()
        for case .sendThrough(let relay, let edge, let parcel, let recipients, let number) in actions {
            guard case .message(let message) = parcel.content else { continue }
            batches.add(to: relay) { $0.add(message, edge: edge, recipients: recipients, audience: number) }
        }
        return batches
    }
}
