// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
internal import Messaging
internal import NIOCore

/// The life of one WebSocket. Pure: `now` is a parameter, what to do is the result.
///
///     unauthenticated ──authenticate──▶ authenticating ──opened──▶ open
///            │                                │                      │
///            └──────────── closeRequested, closeReceived ────────────┴──▶ closing ──▶ closed
///
/// While it is closing, what still comes is passed over, so that the reason reaches the client: closing a socket that
/// has unread bytes would destroy what is on its way out.
struct Session: Sendable {
    struct Settings: Sendable {
        var authenticationTimeout: TimeAmount
        /// Without a byte from the client for this long it is sent a ping frame.
        var heartbeat: TimeAmount
        /// Without a byte for this long the session ends.
        var silence: TimeAmount
        /// How long the client may take to answer a close frame.
        var closeTimeout = TimeAmount.seconds(3)
        /// Wrong commands in a row; one more ends the session.
        var errorsInRowMax = 100
    }

    /// Whose session it is, from an accepted token on.
    typealias Owner = AccessClaims

    private enum State {
        case unauthenticated
        case authenticating(CommandID, Owner)
        case open(Owner)
        case closing(deadline: NIODeadline, Owner?)
        case closed
    }

    private let settings: Settings
    private var state = State.unauthenticated
    private let authenticationDeadline: NIODeadline
    private var lastHeard: NIODeadline
    private var lastPing: NIODeadline
    private var errorsInRow = 0
    /// Live events were left out since the last `resync`.
    private(set) var isBehind = false

    init(settings: Settings, now: NIODeadline) {
        self.settings = settings
        self.authenticationDeadline = now + settings.authenticationTimeout
        self.lastHeard = now
        self.lastPing = now
    }

    /// The owner while the session gets events.
    var openOwner: Owner? {
        if case .open(let owner) = self.state { owner } else { nil }
    }

    var isClosing: Bool {
        switch self.state {
        case .closing, .closed: true
        case .unauthenticated, .authenticating, .open: false
        }
    }

    // MARK: - Commands

    enum CommandAction: Equatable {
        /// Check the token, then ``tokenAccepted(_:_:)`` or ``tokenRefused(_:_:)``.
        case checkToken(ClientCommand.Authenticate)
        case submit(SendMessageRequest, Owner)
        /// A command about presence or typing.
        case presence(ClientCommand, Owner)
        case answer(ServerMessage)
        case answerAndClose(ServerMessage, CloseCode)
        case ignore
    }

    mutating func commandReceived(_ message: CommandMessage, now: NIODeadline) -> CommandAction {
        switch (self.state, message.command) {
        case (.closing, _), (.closed, _):
            return .ignore
        case (.unauthenticated, .authenticate(let fields)):
            return .checkToken(fields)
        case (.unauthenticated, _):
            return self.refuse(message.id, Failure(.unauthenticated, "Send `authenticate` first."), now: now)
        case (.authenticating, .sendMessage), (.authenticating, .ping), (.authenticating, .watchPresence),
            (.authenticating, .setStatus), (.authenticating, .setTyping):
            return self.refuse(message.id, Failure(.unauthenticated, "Wait for `authenticated` first."), now: now)
        case (.authenticating, .authenticate), (.open, .authenticate):
            let failure = Failure(.alreadyAuthenticated, "This connection has its session; open another for another.")
            return self.refuse(message.id, failure, now: now)
        case (.open(let owner), .sendMessage(let request)):
            self.errorsInRow = 0
            return .submit(request, owner)
        case (.open(let owner), .watchPresence), (.open(let owner), .setStatus), (.open(let owner), .setTyping):
            self.errorsInRow = 0
            return .presence(message.command, owner)
        case (.open, .ping):
            self.errorsInRow = 0
            return .answer(.pong(message.id))
        }
    }

    mutating func commandRejected(_ rejected: RejectedCommand, now: NIODeadline) -> CommandAction {
        switch self.state {
        case .closing, .closed: .ignore
        case .unauthenticated, .authenticating, .open: self.refuse(rejected.id, rejected.failure, now: now)
        }
    }

    private mutating func refuse(_ id: CommandID?, _ failure: Failure, now: NIODeadline) -> CommandAction {
        self.errorsInRow += 1
        guard self.errorsInRow > self.settings.errorsInRowMax else { return .answer(.error(id, failure)) }
        self.beginClosing(now: now)
        return .answerAndClose(.error(id, failure), .tooManyErrors)
    }

    // MARK: - Authentication

    mutating func tokenAccepted(_ id: CommandID, _ owner: Owner) {
        guard case .unauthenticated = self.state else { return }
        self.state = .authenticating(id, owner)
    }

    /// The answer to a token that is not good; the session ends with it.
    mutating func tokenRefused(_ id: CommandID, _ failure: Failure, now: NIODeadline) -> CommandAction {
        guard case .unauthenticated = self.state else { return .ignore }
        self.beginClosing(now: now)
        return .answerAndClose(.error(id, failure), failure.code == .tokenExpired ? .tokenExpired : .invalidToken)
    }

    enum OpenedAction: Equatable {
        case open(CommandID, Owner)
        /// It ended meanwhile.
        case ignore
    }

    /// The session is in the registry, and the routers know: it may begin.
    mutating func opened() -> OpenedAction {
        guard case .authenticating(let id, let owner) = self.state else { return .ignore }
        self.state = .open(owner)
        return .open(id, owner)
    }

    /// The session cannot begin.
    mutating func openingRefused(_ failure: Failure, _ code: CloseCode, now: NIODeadline) -> CommandAction {
        guard case .authenticating(let id, _) = self.state else { return .ignore }
        self.beginClosing(now: now)
        return .answerAndClose(.error(id, failure), code)
    }

    // MARK: - Closing

    /// The edge wants the session to end. Returns whether to send a close frame: not when that was done before.
    mutating func closeRequested(now: NIODeadline) -> Bool {
        guard !self.isClosing else { return false }
        self.beginClosing(now: now)
        return true
    }

    enum PeerCloseAction: Equatable {
        /// Answer with a close frame, then close the connection.
        case answerAndClose
        /// It is the answer to the own close frame.
        case close
    }

    mutating func closeReceived(now: NIODeadline) -> PeerCloseAction {
        switch self.state {
        case .closing, .closed:
            return .close
        case .unauthenticated, .authenticating, .open:
            self.beginClosing(now: now)
            return .answerAndClose
        }
    }

    /// The connection is gone. Returns whose session it was, the first time.
    mutating func connectionClosed() -> Owner? {
        defer { self.state = .closed }
        switch self.state {
        case .authenticating(_, let owner), .open(let owner): return owner
        case .closing(_, let owner): return owner
        case .unauthenticated, .closed: return nil
        }
    }

    private mutating func beginClosing(now: NIODeadline) {
        let deadline = now + self.settings.closeTimeout
        switch self.state {
        case .unauthenticated: self.state = .closing(deadline: deadline, nil)
        case .authenticating(_, let owner), .open(let owner): self.state = .closing(deadline: deadline, owner)
        case .closing, .closed: break
        }
    }

    // MARK: - Time

    /// Something came from the client, or something went to it after a halt.
    mutating func activityNoticed(now: NIODeadline) {
        self.lastHeard = now
    }

    enum TickAction: Equatable {
        case none
        case sendPing
        case sendClose(CloseCode)
        case closeConnection
    }

    /// The regular look at the clock.
    mutating func tick(now: NIODeadline) -> TickAction {
        switch self.state {
        case .unauthenticated, .authenticating:
            guard now >= self.authenticationDeadline else { return .none }
            self.beginClosing(now: now)
            return .sendClose(.authenticationTimeout)
        case .open:
            if now - self.lastHeard >= self.settings.silence {
                self.beginClosing(now: now)
                return .sendClose(.heartbeatTimeout)
            }
            guard now - max(self.lastHeard, self.lastPing) >= self.settings.heartbeat else { return .none }
            self.lastPing = now
            return .sendPing
        case .closing(let deadline, _):
            return now >= deadline ? .closeConnection : .none
        case .closed:
            return .none
        }
    }

    // MARK: - Live events

    /// An event could not be written because too much is unsent.
    mutating func eventLeftOut() {
        self.isBehind = true
    }

    /// Returns whether the client has to be told to resynchronize.
    mutating func becameWritable() -> Bool {
        guard self.isBehind, self.openOwner != nil else { return false }
        self.isBehind = false
        return true
    }
}
