// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import ClusterConfiguration
import Logging
import Mesh
import Messaging
import NIOCore
import NIOEmbedded
import Observability
import Placement
import Synchronization
import Wire

@testable import Edge

/// One WebSocket of an edge on an event loop whose time stands still, with the far ends played by the test.
///
/// Watches what the edge writes: whole frames as RFC 6455 §5.2 and §5.5 want them of a server, nothing after a close
/// frame, and no more than what came in is worth.
final class SessionUnderTest {
    static let settings = SessionSettings(
        sessionsMax: 10,
        unsentBytesMax: 4096,
        messageBytesMax: 2048,
        submitsInFlightMax: 4,
        submitTimeout: .seconds(15),
        authenticationTimeout: .seconds(10),
        heartbeat: .seconds(30),
        silence: .seconds(75)
    )
    /// Neither is made anew for each input: that would cost more than the input.
    private static let metrics = EdgeMetrics(MetricsRegistry())
    private static let admission = AdmissionControl(
        ClusterSettings.Rates(),
        waitMax: .seconds(20),
        metrics: MetricsRegistry()
    )
    private static let routing = {
        let routing = RoutingState()
        let views = [View(shard: "shard-1", epoch: 1, routers: ["router-1"])]
        routing.adopt(RoutingNews(map: ShardMap(dealing: ["shard-1"]), views: views))
        return routing
    }()
    static let user = UserID(value: 7)
    static let device = DeviceID(value: 8)

    let channel: EmbeddedChannel
    private let loop: SessionLoop
    private let services: SessionServices
    private let links = HeldLinks()
    private let opener = ImmediateOpener()
    private var written = ByteBuffer()
    private var hasClosed = false
    private var framesWritten = 0
    private var bytesWritten = 0
    /// Frames that came and events that were due: each may cause one frame, and a few may come of themselves.
    private var causes = 16
    private var eventBytes = 0

    init() throws {
        self.channel = EmbeddedChannel()
        self.loop = SessionLoop(number: 0, eventLoop: self.channel.embeddedEventLoop, metrics: Self.metrics)
        let eventLoop = self.channel.embeddedEventLoop
        let routers = RouterClient(
            routing: Self.routing,
            links: self.links,
            requestTimeout: .seconds(10),
            submitTimeout: .seconds(15)
        )
        self.services = SessionServices(
            settings: Self.settings,
            routers: routers,
            receipts: ReceiptSender(routers: routers, eventLoop: eventLoop, metrics: Self.metrics),
            verifier: OneToken(),
            admission: Self.admission,
            opener: self.opener,
            presence: PresenceService(
                eventLoop: eventLoop,
                membersMax: 10,
                index: SessionIndex(),
                loops: [self.loop],
                routing: Self.routing,
                routers: routers,
                links: self.links,
                metrics: Self.metrics
            ),
            metrics: Self.metrics
        )
        try self.channel.pipeline.syncOperations.addHandler(HalfClosingHandler())
        SessionPipeline.add(
            to: self.channel,
            loop: self.loop,
            services: self.services,
            logger: Logger(label: "fuzz") { _ in SwiftLogNoOpLogHandler() }
        )
        try self.channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    }

    // MARK: - What happens

    func authenticate() throws {
        let fields = ClientCommand.Authenticate(token: OneToken.text, deviceID: Self.device)
        try self.command(.authenticate(fields))
    }

    /// A good message: its id has to be of this moment, which no stored input is.
    func sendMessage(conversation: UInt8) throws {
        let request = SendMessageRequest(
            conversationID: ConversationID(value: UInt128(conversation)),
            clientMessageID: .generate(),
            kind: .text,
            body: "hello"
        )
        try self.command(.sendMessage(request))
    }

    private func command(_ command: ClientCommand) throws {
        let json = CommandMessage(id: 0, command: command).encoded()
        let header: [UInt8] = [0x81, 0xFE, UInt8(json.count >> 8), UInt8(json.count & 0xFF), 0, 0, 0, 0]
        try self.receive(ByteBuffer(bytes: header + json))
    }

    func receive(_ bytes: ByteBuffer) throws {
        // No frame is shorter than two bytes.
        self.causes += bytes.readableBytes / 2 + 1
        guard self.channel.isActive else { return }
        try self.channel.writeInbound(bytes)
        try self.settle()
    }

    func advance(_ time: TimeAmount) {
        self.causes += 1
        self.channel.embeddedEventLoop.advanceTime(by: time)
        self.loop.sweep(now: self.channel.embeddedEventLoop.now)
    }

    func setWritable(_ isWritable: Bool) {
        guard self.channel.isActive else { return }
        self.causes += 1
        self.channel.isWritable = isWritable
        self.channel.pipeline.fireChannelWritabilityChanged()
    }

    /// The oldest message on its way to a router has this end.
    func answer(_ outcome: UInt8) {
        self.links.answerOldest(outcome)
        self.channel.embeddedEventLoop.run()
    }

    func deliver(bytes: Int, count: Int) {
        let frame = ServerFrame.text([UInt8](repeating: UInt8(ascii: " "), count: bytes) + Array("{}".utf8))
        self.causes += count
        self.eventBytes += frame.readableBytes * count
        let delivery = SessionLoop.Delivery(
            frame: EventFrames(json: frame),
            recipients: [Self.user],
            conversation: ConversationID(value: 1),
            seq: 1
        )
        self.loop.deliver([SessionLoop.Delivery](repeating: delivery, count: count))
        self.channel.embeddedEventLoop.run()
    }

    func close(_ code: CloseCode) {
        guard let session = self.opener.lastSession else { return }
        self.causes += 1
        self.loop.post(.close(code), to: session)
        self.channel.embeddedEventLoop.run()
    }

    func beginStop() {
        self.services.enter(.stopping)
    }

    /// The connection ends; nothing of the session must be left.
    func finish(inputBytes: Int) throws {
        try self.settle()
        let late = self.links.count
        _ = try? self.channel.finish(acceptAlreadyClosed: true)
        for _ in 0..<late { self.links.answerOldest(0) }
        // Pauses between attempts are over after this.
        self.channel.embeddedEventLoop.advanceTime(by: .seconds(60))
        try require(self.services.openEnds == 0, "\(self.services.openEnds) ends are open")
        try require(Self.metrics.sessions.value == 0, "\(Self.metrics.sessions.value) sessions are counted")
        try require(
            Self.metrics.submitsInFlight.value == 0,
            "\(Self.metrics.submitsInFlight.value) submits are counted"
        )
        try require(self.opener.open == self.opener.closed, "a session is not forgotten")
        let bound = 700 * self.causes + 2 * inputBytes + self.eventBytes
        try require(self.bytesWritten <= bound, "\(inputBytes) bytes are answered with \(self.bytesWritten)")
    }

    // MARK: - What is written

    private func settle() throws {
        self.channel.embeddedEventLoop.run()
        while let bytes = try self.channel.readOutbound(as: ByteBuffer.self) {
            self.bytesWritten += bytes.readableBytes
            self.written.writeImmutableBuffer(bytes)
        }
        while self.written.readableBytes > 0 { try self.checkFrame() }
        try require(self.framesWritten <= self.causes, "\(self.framesWritten) frames for \(self.causes) causes")
    }

    private func checkFrame() throws {
        try require(!self.hasClosed, "something follows a close frame")
        guard let (first, second) = self.written.readMultipleIntegers(as: (UInt8, UInt8).self) else {
            throw PropertyViolation("half a frame")
        }
        try require(first & 0xF0 == 0x80 && second & 0x80 == 0, "not a frame that a server may send")
        var count = Int(second)
        if second == 126 {
            count = Int(self.written.readInteger(as: UInt16.self) ?? 0)
            try require(count > 125, "a length that is longer than it must be")
        }
        guard second != 127, let payload = self.written.readSlice(length: count) else {
            throw PropertyViolation("a frame of \(count) bytes is not there whole")
        }
        self.framesWritten += 1
        switch first & 0xF {
        case 1: try self.checkText(payload)
        case 8: try self.checkClose(payload)
        case 9, 10: try require(count <= 125, "a control frame of \(count) bytes")
        default: throw PropertyViolation("opcode \(first & 0xF)")
        }
    }

    private func checkText(_ payload: ByteBuffer) throws {
        // A live event of this test is `{}` behind spaces.
        guard payload.readableBytesView.first != UInt8(ascii: " "), payload.readableBytes > 2 else { return }
        guard let message = try ServerMessage.decode(json: payload.readableBytesView) else {
            throw PropertyViolation("an answer of no known type")
        }
        guard case .error(_, let failure) = message else { return }
        try require(failure.code != .internal || failure.message == HeldLinks.scripted, "an internal error: \(failure)")
    }

    private func checkClose(_ payload: ByteBuffer) throws {
        self.hasClosed = true
        var payload = payload
        guard payload.readableBytes > 0 else { return }
        guard let code = payload.readInteger(as: UInt16.self) else { throw PropertyViolation("half a close code") }
        switch code {
        case 1000...1003, 1007...1014, 3000...4999: break
        default: throw PropertyViolation("close code \(code)")
        }
        try require(payload.readableBytes <= 123 && payload.isUTF8, "a reason that is not one")
    }
}
