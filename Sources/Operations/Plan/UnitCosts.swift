// SPDX-License-Identifier: Apache-2.0

/// What one thing costs, each figure with where it comes from. Times are processor time in microseconds.
///
/// The standard ones are those of `bench/README.md`: two cores of a virtual machine, which the load generator, the
/// databases and all nodes shared. Figures that nothing measures are said to be assumed.
package struct UnitCosts: Sendable, Equatable, Encodable {
    package struct Figure: Sendable, Equatable, Encodable {
        package var value: Double
        package var unit: String
        package var source: String

        package init(_ value: Double, _ unit: String, _ source: String) {
            self.value = value
            self.unit = unit
            self.source = source
        }
    }

    private static let direct = "bench/README.md, direct messages at 5,000/s"

    /// Taking a message from a client and answering it.
    package var edgeMessage = Figure(50, "µs", "\(Self.direct): 84 µs of edges, less one frame and one delivery")
    /// Reading a frame of a router and finding the sessions it is for.
    package var edgeFrame = Figure(20, "µs", "assumed, as part of those 84 µs")
    /// Writing an event to one session.
    package var edgeDelivery = Figure(14.4, "µs", "bench/README.md, 1,000 members, 50 messages/s, two edges")
    package var edgeSessionBegin = Figure(800, "µs", "bench/README.md, of the 2 ms that a session takes to begin")
    /// What a quiet client sends so that its connection stays.
    package var edgeHeartbeat = Figure(10, "µs", "assumed: less than a delivery")
    package var edgeSessionMemory = Figure(5.2 * 1024, "bytes", "bench/README.md, a session after traffic")

    package var routerMessage = Figure(53, "µs", "\(Self.direct), routers")
    package var routerFrame = Figure(
        2,
        "µs",
        "assumed: LZ4 takes 47 µs for a block of some 200 frames, the link the rest"
    )
    package var routerSessionBegin = Figure(350, "µs", "bench/README.md: half of the 0.7 ms of routers and Postgres")

    package var postgresMessage = Figure(44, "µs", "\(Self.direct), Postgres")
    package var postgresSessionBegin = Figure(350, "µs", "bench/README.md: half of the 0.7 ms of routers and Postgres")
    /// Beside its body, with all indexes.
    package var storedMessage = Figure(
        388,
        "bytes",
        "measured: 200,000 rows of 200 bytes in Postgres 15, indexes included"
    )

    package var redisSession = Figure(470, "bytes", "measured: 200,000 users with one session each in Redis 7")

    /// Beside the body.
    package var clientEventJSON = Figure(335, "bytes", "README.md: new_message with 200 bytes of text is 535")
    package var clientEventBinary = Figure(72, "bytes", "README.md: new_message with 200 bytes of text is 272")
    package var clientCommandJSON = Figure(171, "bytes", "README.md: send_message with 200 bytes of text is 371")
    package var clientCommandBinary = Figure(46, "bytes", "README.md: send_message with 200 bytes of text is 246")
    /// Of each event and command, what TLS, TCP and IP add.
    package var packet = Figure(90, "bytes", "assumed: a TLS record, and headers of TCP and IP")
    package var meshFrame = Figure(150, "bytes", "assumed: a frame's head, the message's ids, a handful of recipients")

    package init() {}

    /// What stands in a table, in its order.
    package var listed: [(name: String, figure: Figure)] {
        [
            ("edge, a message sent", self.edgeMessage),
            ("edge, a frame received", self.edgeFrame),
            ("edge, a delivery", self.edgeDelivery),
            ("edge, a session begins", self.edgeSessionBegin),
            ("edge, a heartbeat", self.edgeHeartbeat),
            ("edge, memory of a session", self.edgeSessionMemory),
            ("router, a message", self.routerMessage),
            ("router, a frame", self.routerFrame),
            ("router, a session begins", self.routerSessionBegin),
            ("Postgres, a message", self.postgresMessage),
            ("Postgres, a session begins", self.postgresSessionBegin),
            ("Postgres, a stored message beside its body", self.storedMessage),
            ("Redis, a session", self.redisSession),
            ("an event beside its body, JSON", self.clientEventJSON),
            ("an event beside its body, binary", self.clientEventBinary),
            ("a command beside its body, JSON", self.clientCommandJSON),
            ("a command beside its body, binary", self.clientCommandBinary),
            ("TLS, TCP and IP of an event or command", self.packet),
            ("a mesh frame beside the body", self.meshFrame),
        ]
    }

    /// What makes no sense; empty when all is well.
    package var problems: [String] {
        self.listed.filter { !($0.figure.value.isFinite && $0.figure.value >= 0 && $0.figure.value <= 1e9) }
            .map { "\($0.name): \($0.figure.value) is no cost; it is 0 to 10^9" }
    }
}
