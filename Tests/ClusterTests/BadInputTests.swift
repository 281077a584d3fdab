// SPDX-License-Identifier: Apache-2.0

import Glibc
import Messaging
import TestSupport
import Testing

extension ClusterTests {
    @Suite("Bad input")
    struct BadInputTests {
        private static let tooLong = String(repeating: "x", count: Limits.messageBodyBytesMax + 1)

        @Test("What cannot be understood gets an error with its code, and the connection stays")
        func errors() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let ada = try await cluster.register("ada")
            let bob = try await cluster.register("bob")
            let conversation = try await ada.createConversation("direct", with: [bob], port: cluster.edge(1))
            let socket = try await ada.connect(port: cluster.edge(1))
            let cases: [(text: String, code: String)] = [
                ("{", "malformed"),
                ("[]", "malformed"),
                (#"{"id":"1","type":"fly"}"#, "unknown_type"),
                (#"{"id":"1"}"#, "missing_field"),
                (#"{"id":"1","type":"send_message"}"#, "missing_field"),
                (#"{"id":"1","type":"send_message",\#(sendFields("nonsense", "x"))}"#, "invalid_field"),
                (
                    #"{"id":"1","type":"send_message",\#(sendFields(conversation, "x", kind: "smell"))}"#,
                    "invalid_field"
                ),
                (#"{"id":"1","type":"send_message",\#(sendFields(conversation, Self.tooLong))}"#, "too_large"),
                (#"{"id":"1","type":"send_message",\#(sendFields(conversation, "\\u0000"))}"#, "invalid_field"),
                (
                    #"{"id":"1","type":"send_message",\#(sendFields(conversation, "x", id: .lowerBound(at: 1)))}"#,
                    "client_message_id_too_old"
                ),
                (
                    #"{"id":"1","type":"send_message",\#(sendFields(conversation, "x", id: ClientMessageID(value: 7)))}"#,
                    "invalid_field"
                ),
            ]
            for (text, code) in cases {
                let count = socket.messages.count
                socket.send(text: text)
                try await eventually("an answer to \(text.prefix(100))") { socket.messages.count > count }
                let answer = try #require(socket.messages.last)
                #expect(answer["type"]?.string == "error", "\(text.prefix(100))")
                #expect(answer["code"]?.string == code, "\(text.prefix(100)): \(answer)")
                #expect(answer["message"]?.string?.isEmpty == false)
            }
            #expect(try await cluster.send(socket, conversation, "still here") == 1)
        }

        @Test("Unknown, not a member, and may not post are told with the same words")
        func refusalsDoNotTell() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let ada = try await cluster.register("ada")
            let bob = try await cluster.register("bob")
            let eve = try await cluster.register("eve")
            let group = try await ada.createConversation("group", with: [bob], port: cluster.edge(1))
            let channel = try await ada.createConversation("channel", with: [eve], port: cluster.edge(1))
            let socket = try await eve.connect(port: cluster.edge(1))
            var answers: Set<[JSONValue?]> = []
            for conversation in [group, channel, "\(ConversationID.generate())"] {
                let answer = try await socket.command("send_message", sendFields(conversation, "let me in"))
                #expect(answer["code"]?.string == "not_found")
                answers.insert([answer["code"], answer["message"]])
            }
            #expect(answers.count == 1)
            for path in [group, "\(ConversationID.generate())"] {
                let answer = try await eve.request("GET", "/api/conversations/\(path)", port: cluster.edge(2))
                #expect(answer.status == 404)
                #expect(answer.code == "not_found")
            }
        }

        @Test("Binary, oversized and unmasked frames close the connection with their code")
        func frames() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let ada = try await cluster.register("ada")
            let cases: [(name: String, send: @Sendable (PlainWebSocket) -> Void, codes: Set<UInt16>)] = [
                ("binary", { $0.send(opcode: 2, [1, 2, 3]) }, [1003, 4502]),
                ("oversized", { $0.send(opcode: 1, [UInt8](repeating: 0x61, count: 1 << 20)) }, [1009, 4503]),
                ("unmasked", { $0.send(opcode: 1, Array("{}".utf8), isMasked: false) }, [1002, 4502]),
                ("reserved opcode", { $0.send(opcode: 3, [1]) }, [1002, 4502]),
                ("not UTF-8", { $0.send(opcode: 1, [0xFF, 0xFE]) }, [1007, 4502]),
                ("garbage", { $0.send(raw: [UInt8](repeating: 0xFF, count: 4096)) }, [1002, 1009, 4502, 4503]),
            ]
            for (name, send, codes) in cases {
                let socket = try await ada.connect(port: cluster.edge(1))
                send(socket)
                let code = try await socket.waitUntilClosed()
                #expect(code.map { codes.contains($0) } ?? false, "\(name): \(String(describing: code))")
            }
        }

        @Test("Without authenticate in time the connection is closed with its code")
        func noAuthentication() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let port = cluster.edge(1)
            let silent = try await onThread { try PlainWebSocket(port: port) }
            #expect(try await silent.waitUntilClosed() == 4003)

            let early = try await onThread { try PlainWebSocket(port: port) }
            let answer = try await early.command("send_message", sendFields("\(ConversationID.generate())", "x"))
            #expect(answer["code"]?.string == "unauthenticated")
        }

        @Test("A token that is wrong, expired or another device's is refused")
        func tokens() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let ada = try await cluster.register("ada")
            let bob = try await cluster.register("bob")
            let port = cluster.edge(1)
            let expired = AccessTokenForgery.token(user: ada.id, device: ada.device, expiresIn: -60)
            let forged = AccessTokenForgery.token(
                user: ada.id,
                device: ada.device,
                expiresIn: 60,
                secret: "another secret of 32 bytes here!"
            )
            let cases: [(token: String, device: String, code: String)] = [
                (expired, ada.device, "token_expired"),
                (forged, ada.device, "unauthenticated"),
                ("nonsense", ada.device, "unauthenticated"),
                (ada.token, bob.device, "unauthenticated"),
            ]
            for (token, device, code) in cases {
                let socket = try await onThread { try PlainWebSocket(port: port) }
                let answer = try await socket.command("authenticate", #""token":"\#(token)","device_id":"\#(device)""#)
                #expect(answer["code"]?.string == code, "\(answer)")
                let answered = try await onThread {
                    try PlainHTTP.request("GET", "/api/conversations", port: port, token: token)
                }
                if token != ada.token {
                    #expect(answered.status == 401)
                    #expect(answered.code == code)
                }
            }
            // The forgery itself is sound: with the right secret and time it is taken.
            let sound = AccessTokenForgery.token(user: ada.id, device: ada.device, expiresIn: 60)
            let socket = try await onThread { try PlainWebSocket(port: port) }
            let answer = try await socket.command("authenticate", #""token":"\#(sound)","device_id":"\#(ada.device)""#)
            #expect(answer["type"]?.string == "authenticated")
        }

        @Test("Garbage on any port ends that connection only", arguments: 0..<4 as Range<UInt64>)
        func garbage(seed: UInt64) async throws {
            let cluster = try await SharedCluster.shared.cluster()
            var random = SeededRandom(seed: seed)
            let bytes = (0..<100_000).map { _ in UInt8.random(in: 0...255, using: &random) }
            let ports = cluster.nodes.flatMap { [$0.meshPort, $0.httpPort].compactMap { $0 } }
            for port in ports {
                let isClosed = try await onThread {
                    let connection = try TCPConnection(port: port, timeoutSeconds: 30)
                    connection.send(bytes)
                    return connection.isClosedByPeer()
                }
                #expect(isClosed, "seed \(seed) port \(port)")
            }
            for node in cluster.nodes {
                #expect(try await onThread { try cluster.isReady(node.name) }, "\(node.name)")
                #expect(try cluster.process(node.name).exitStatus == nil)
            }
        }

        @Test("A node with another secret is refused with a logged reason, and the cluster goes on")
        func wrongMeshSecret() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let port = try TCPConnection.freePorts(1)[0]
            var environment = cluster.environment
            environment["TRUNKLINE_MESH_SECRET"] = "not the secret of this cluster, really"
            let stranger = try StrangerConfiguration(of: cluster, edge: "edge-9", httpPort: port)
            environment["TRUNKLINE_CONFIG"] = stranger.path
            let process = try GuardedProcess(
                [TestCluster.program("trunkline"), "run", "edge-9"],
                environment: environment,
                output: cluster.folder + "/stranger.log"
            )
            defer { process.signal(SIGKILL) }
            try await eventually("a router says why it refuses", within: .seconds(20)) {
                try cluster.routers.contains { try cluster.process($0.name).text.contains("secret") }
            }
            #expect(process.exitStatus == nil)
            for node in cluster.nodes {
                #expect(try await onThread { try cluster.isReady(node.name) })
            }
        }
    }
}
