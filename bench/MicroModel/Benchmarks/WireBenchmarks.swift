// SPDX-License-Identifier: Apache-2.0

import Fields
import Messaging
import NIOCore
import Wire

extension Benchmark {
    /// The bodies that every message passes through on the mesh.
    static let wire: [Benchmark] = {
        var random = Samples.Random(seed: 2)
        let conversation: ConversationID = Samples.identifier(&random)
        let submit = Samples.submit(1, to: conversation, &random)
        let message = Samples.message(7, in: conversation, &random)
        let numbered = Deliver(message: message, recipients: [], isBroadcast: false, audience: 12)
        let named = Deliver(message: message, recipients: (0..<100).map(Samples.user), isBroadcast: false)
        let accepted = Accepted(seq: 70_000, createdAt: Samples.now, duplicate: false)
        return Self.body("submit", "a message of 120 bytes on its way to its owner", submit)
            + Self.body("accepted", "the owner's answer", accepted)
            + Self.body("deliver", "a message to an edge that knows its audience by number", numbered)
            + Self.body("deliver_100", "the same with 100 recipients named", named)
    }()

    private static func body<Body: WireMessage>(_ name: String, _ summary: String, _ value: Body) -> [Benchmark] {
        let encoded = value.encoded()
        return [
            Benchmark("wire.\(name).encode", "\(summary): to bytes") {
                Case(bytes: encoded.readableBytes) { count in
                    for _ in 0..<count { keep(value.encoded()) }
                }
            },
            Benchmark("wire.\(name).decode", "\(summary): from bytes") {
                Case(bytes: encoded.readableBytes) { count in
                    for _ in 0..<count {
                        do throws(FieldError) {
                            keep(try Body(decoding: encoded))
                        } catch {
                            preconditionFailure("a sample could not be read: \(error)")
                        }
                    }
                }
            },
        ]
    }
}
