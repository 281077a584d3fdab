// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import Messaging
import NIOCore
import Testing

@testable import Edge

@Suite("The life of a session")
struct SessionsMachineTests {
    private static let settings = Session.Settings(
        authenticationTimeout: .seconds(10),
        heartbeat: .seconds(30),
        silence: .seconds(75),
        closeTimeout: .seconds(3),
        errorsInRowMax: 3
    )
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)
    private static let owner = AccessClaims(user: UserID(value: 1), device: DeviceID(value: 2), expiresAt: .max)
    private static let fields = ClientCommand.Authenticate(token: "t", deviceID: DeviceID(value: 2))
    private static let request = SendMessageRequest(
        conversationID: ConversationID(value: 5),
        clientMessageID: ClientMessageID.generate(),
        kind: .text,
        body: "b"
    )
    private static let authenticate = CommandMessage(id: 1, command: .authenticate(Self.fields))
    private static let send = CommandMessage(id: 2, command: .sendMessage(Self.request))
    private static let ping = CommandMessage(id: 3, command: .ping)

    private let now = Self.start

    enum Stage: CaseIterable {
        case unauthenticated
        case authenticating
        case open
        case closing
        case closed
    }

    private func session(_ stage: Stage) -> Session {
        var session = Session(settings: Self.settings, now: Self.start)
        if stage == .unauthenticated { return session }
        _ = session.tokenAccepted(1, Self.owner, until: .distantFuture, now: Self.start)
        if stage == .authenticating { return session }
        _ = session.opened()
        if stage == .open { return session }
        _ = session.closeRequested(now: Self.start)
        if stage == .closing { return session }
        _ = session.connectionClosed()
        return session
    }

    private func errorCode(_ action: Session.CommandAction) -> ErrorCode? {
        guard case .answer(.error(_, let failure)) = action else { return nil }
        return failure.code
    }

    @Test("What each command is answered with in each state", arguments: Stage.allCases)
    func commands(stage: Stage) {
        func receive(_ message: CommandMessage) -> Session.CommandAction {
            var session = self.session(stage)
            return session.commandReceived(message, now: self.now)
        }
        switch stage {
        case .unauthenticated:
            #expect(receive(Self.authenticate) == .checkToken(Self.fields))
            #expect(self.errorCode(receive(Self.send)) == .unauthenticated)
            #expect(self.errorCode(receive(Self.ping)) == .unauthenticated)
        case .authenticating:
            #expect(self.errorCode(receive(Self.authenticate)) == .alreadyAuthenticated)
            #expect(self.errorCode(receive(Self.send)) == .unauthenticated)
            #expect(self.errorCode(receive(Self.ping)) == .unauthenticated)
        case .open:
            #expect(receive(Self.authenticate) == .checkToken(Self.fields))
            #expect(receive(Self.send) == .submit(Self.request, Self.owner))
            #expect(receive(Self.ping) == .answer(.pong(3)))
        case .closing, .closed:
            for message in [Self.authenticate, Self.send, Self.ping] {
                #expect(receive(message) == .ignore)
            }
        }
    }

    @Test("Only an open session has an owner that gets events", arguments: Stage.allCases)
    func openOwner(stage: Stage) {
        #expect(self.session(stage).openOwner == (stage == .open ? Self.owner : nil))
    }

    @Test("The end of the connection gives the owner back once, whatever the state", arguments: Stage.allCases)
    func release(stage: Stage) {
        var session = self.session(stage)
        let expected = stage == .unauthenticated || stage == .closed ? nil : Self.owner
        #expect(session.connectionClosed() == expected)
        #expect(session.connectionClosed() == nil)
    }

    @Test(
        "A token that is not good ends the session with the fitting code",
        arguments: [(ErrorCode.unauthenticated, CloseCode.invalidToken), (.tokenExpired, .tokenExpired)]
    )
    func refusedToken(code: ErrorCode, close: CloseCode) {
        var session = self.session(.unauthenticated)
        let failure = Failure(code, "no")
        #expect(session.tokenRefused(1, failure, now: self.now) == .answerAndClose(.error(1, failure), close))
        #expect(session.isClosing)
        #expect(session.commandReceived(Self.authenticate, now: self.now) == .ignore)
    }

    @Test("A session that ended while it was being opened does not open")
    func endedMeanwhile() {
        for stage in [Stage.closing, .closed] {
            var session = self.session(stage)
            #expect(session.opened() == .ignore)
            #expect(session.openingRefused(Failure(.conflict, ""), .tooManyDevices, now: self.now) == .ignore)
        }
    }

    @Test("Too many wrong commands in a row end the session; a right one in between starts the count anew")
    func tooManyErrors() {
        let wrong = RejectedCommand(id: 9, name: nil, failure: Failure(.malformed, "m"))
        var session = self.session(.open)
        for _ in 0..<3 { #expect(session.commandRejected(wrong, now: self.now) == .answer(.error(9, wrong.failure))) }
        #expect(session.commandReceived(Self.ping, now: self.now) == .answer(.pong(3)))
        for _ in 0..<3 { #expect(session.commandRejected(wrong, now: self.now) == .answer(.error(9, wrong.failure))) }
        #expect(
            session.commandRejected(wrong, now: self.now) == .answerAndClose(.error(9, wrong.failure), .tooManyErrors)
        )
        #expect(session.commandRejected(wrong, now: self.now) == .ignore)
    }

    @Test("A client's close frame is answered, or is the answer", arguments: Stage.allCases)
    func peerClose(stage: Stage) {
        var session = self.session(stage)
        let isFirst = stage != .closing && stage != .closed
        #expect(session.closeReceived(now: self.now) == (isFirst ? .answerAndClose : .close))
        #expect(session.isClosing)
        let sendsAnother = session.closeRequested(now: self.now)
        #expect(!sendsAnother)
    }

    @Test("Without authenticated in time the session ends", arguments: [Stage.unauthenticated, .authenticating])
    func authenticationDeadline(stage: Stage) {
        var session = self.session(stage)
        session.activityNoticed(now: self.now + .seconds(9))
        #expect(session.tick(now: self.now + .milliseconds(9999)) == .none)
        #expect(session.tick(now: self.now + .seconds(10)) == .sendClose(.authenticationTimeout))
        #expect(session.tick(now: self.now + .milliseconds(12_999)) == .none)
        #expect(session.tick(now: self.now + .seconds(13)) == .closeConnection)
    }

    @Test("A silent client is pinged, then given up")
    func heartbeat() {
        var session = self.session(.open)
        #expect(session.tick(now: self.now + .seconds(29)) == .none)
        #expect(session.tick(now: self.now + .seconds(30)) == .sendPing)
        #expect(session.tick(now: self.now + .seconds(31)) == .none)
        #expect(session.tick(now: self.now + .seconds(60)) == .sendPing)
        #expect(session.tick(now: self.now + .seconds(74)) == .none)
        #expect(session.tick(now: self.now + .seconds(75)) == .sendClose(.heartbeatTimeout))
    }

    @Test("A client that is heard stays, and is not pinged")
    func heard() {
        var session = self.session(.open)
        for second in stride(from: Int64(20), through: 400, by: 20) {
            session.activityNoticed(now: self.now + .seconds(second))
            #expect(session.tick(now: self.now + .seconds(second + 19)) == .none)
        }
    }

    @Test("Resync is told once, only when events were left out, and only while the session is open")
    func resync() {
        var session = self.session(.open)
        var told = [session.becameWritable()]
        session.eventLeftOut()
        session.eventLeftOut()
        told += [session.becameWritable(), session.becameWritable()]
        session.eventLeftOut()
        _ = session.closeRequested(now: self.now)
        told += [session.becameWritable()]
        #expect(told == [false, true, false, false])
    }
}
