// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
internal import Messaging
internal import NIOCore

/// The life of one WebSocket. Pure: `now` is a parameter, what to do is the result.
///
///     unauthenticated ──authenticate──▶ authenticating ──opened──▶ open
///       │    ▲                              │                   │    │
///       └────┘ admissionDeferred            │                   └────┘ authenticate: a fresh token
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
        var errorsInRowMax = Self.errorsInRowMaxDefault

        static let errorsInRowMaxDefault = 100
        /// What the client may ask for; nil is no limit.
        var commandLimit: RateLimit?
        /// Commands over it in a row; one more ends the session, because the client does not heed the answers.
        var refusalsInRowMax = 1000
        /// How long an open session outlives its token.
        var tokenGrace = TimeAmount.seconds(30)
    }

    /// Whose session it is, from an accepted token on.
    typealias Owner = AccessClaims

    private enum State {
        case unauthenticated
        case authenticating(CommandID, Owner)
        case open(Owner, TokenLife)
        case closing(deadline: NIODeadline, Owner?)
        case closed
    }

    private let settings: Settings
    private var state = State.unauthenticated
    private var authenticationDeadline: NIODeadline
    /// From when on the session may begin without asking for another turn; nil when it was given none.
    private var turn: NIODeadline?
    private var allowance: CommandAllowance
    /// Until then messages are refused: all of them, so that those sent one after the other stay in order.
    private var sendsHeldUntil: NIODeadline
    private var tokenEndsAt = NIODeadline.distantFuture
    private var lastHeard: NIODeadline
    private var lastPing: NIODeadline
    private var errorsInRow = 0
    /// Live events were left out since the last `resync`.
    private(set) var isBehind = false

    init(settings: Settings, now: NIODeadline) {
        self.settings = settings
        self.authenticationDeadline = now + settings.authenticationTimeout
        self.allowance = CommandAllowance(limit: settings.commandLimit, now: now)
        self.sendsHeldUntil = now
        self.lastHeard = now
        self.lastPing = now
    }

    /// Whether the session gets events.
    var isOpen: Bool {
        if case .open = self.state { true } else { false }
    }

    /// The owner while the session gets events.
    var openOwner: Owner? {
        if case .open(let owner, _) = self.state { owner } else { nil }
    }

    /// Whether a token that is good would begin the session, and no turn was given for that yet.
    var needsTurn: Bool {
        if case .unauthenticated = self.state { self.turn == nil } else { false }
    }

    /// Whether a turn was given that is not used.
    var holdsTurn: Bool { self.turn != nil }

    var isClosing: Bool {
        switch self.state {
        case .closing, .closed: true
        case .unauthenticated, .authenticating, .open: false
        }
    }

    // MARK: - Commands

    enum CommandAction: Equatable {
        /// Get a turn if ``needsTurn``; check the token, then ``tokenAccepted(_:_:until:now:)`` or
        /// ``tokenRefused(_:_:now:)``.
        case checkToken(ClientCommand.Authenticate)
        /// Have the session opened, then ``opened()`` or ``openingRefused(_:_:now:)``.
        case open(Owner)
        /// The open session goes on with a fresh token: say `authenticated` again.
        case prolonged(Owner)
        case submit(SendMessageRequest, Owner)
        case receipt(Watermarks, ConversationID, Owner)
        /// To begin as soon as the session is open.
        case sync(SyncRequest, Owner)
        /// A command about presence or typing.
        case presence(ClientCommand, Owner)
        case answer(ServerMessage)
        case answerAndClose(ServerMessage, CloseCode)
        case ignore
    }

    mutating func commandReceived(_ message: CommandMessage, now: NIODeadline) -> CommandAction {
        if self.isClosing { return .ignore }
        if let refusal = self.overLimit(message.id, now: now) { return refusal }
        switch (self.state, message.command) {
        case (.closing, _), (.closed, _):
            return .ignore
        case (.unauthenticated, .authenticate(let fields)):
            if let turn = self.turn, now < turn {
                return .answer(.error(message.id, .rateLimited(.authenticationsPerNode, after: turn - now)))
            }
            return .checkToken(fields)
        case (.open, .authenticate(let fields)):
            return .checkToken(fields)
        case (.unauthenticated, _):
            return self.refuse(message.id, Failure(.unauthenticated, "Send `authenticate` first."), now: now)
        case (.authenticating, .sendMessage), (.authenticating, .messageDelivered), (.authenticating, .messageRead),
            (.authenticating, .ping), (.authenticating, .watchPresence), (.authenticating, .setStatus),
            (.authenticating, .setTyping):
            return self.refuse(message.id, Failure(.unauthenticated, "Wait for `authenticated` first."), now: now)
        case (.authenticating, .authenticate):
            let failure = Failure(.alreadyAuthenticated, "This session is beginning: wait for `authenticated`.")
            return self.refuse(message.id, failure, now: now)
        case (.authenticating(_, let owner), .sync(let request)), (.open(let owner, _), .sync(let request)):
            self.errorsInRow = 0
            return .sync(request, owner)
        case (.open(let owner, _), .sendMessage(let request)):
            self.errorsInRow = 0
            guard now >= self.sendsHeldUntil else {
                return .answer(.error(message.id, .rateLimited(.sendsPerUser, after: self.sendsHeldUntil - now)))
            }
            return .submit(request, owner)
        case (.open(let owner, _), .messageDelivered(let receipt)):
            self.errorsInRow = 0
            return .receipt(Watermarks(delivered: receipt.seq, read: 0), receipt.conversationID, owner)
        case (.open(let owner, _), .messageRead(let receipt)):
            self.errorsInRow = 0
            return .receipt(Watermarks(delivered: receipt.seq, read: receipt.seq), receipt.conversationID, owner)
        case (.open(let owner, _), .watchPresence), (.open(let owner, _), .setStatus),
            (.open(let owner, _), .setTyping):
            self.errorsInRow = 0
            return .presence(message.command, owner)
        case (.open, .ping):
            self.errorsInRow = 0
            return .answer(.pong(message.id))
        }
    }

    mutating func commandRejected(_ rejected: RejectedCommand, now: NIODeadline) -> CommandAction {
        if self.isClosing { return .ignore }
        if let refusal = self.overLimit(rejected.id, now: now) { return refusal }
        return self.refuse(rejected.id, rejected.failure, now: now)
    }

    /// A ping frame of the client. Returns whether to answer it: beyond the limit only later ones are, which RFC 6455
    /// §5.5.3 allows.
    mutating func pingReceived(now: NIODeadline) -> Bool {
        !self.isClosing && self.allowance.take(now: now) == nil
    }

    /// A message was refused by a limit that is not the session's own. Everything is until the time that was told.
    mutating func sendRefused(_ failure: Failure, now: NIODeadline) {
        guard failure.code == .rateLimited, let milliseconds = failure.retryAfterMilliseconds else { return }
        self.sendsHeldUntil = now + .milliseconds(Int64(milliseconds))
    }

    private mutating func overLimit(_ id: CommandID?, now: NIODeadline) -> CommandAction? {
        guard let wait = self.allowance.take(now: now) else { return nil }
        let failure = Failure.rateLimited(.commandsPerSession, after: wait)
        guard self.allowance.refusedInRow > self.settings.refusalsInRowMax else { return .answer(.error(id, failure)) }
        self.beginClosing(now: now)
        return .answerAndClose(.error(id, failure), .tooManyErrors)
    }

    private mutating func refuse(_ id: CommandID?, _ failure: Failure, now: NIODeadline) -> CommandAction {
        self.errorsInRow += 1
        guard self.errorsInRow > self.settings.errorsInRowMax else { return .answer(.error(id, failure)) }
        self.beginClosing(now: now)
        return .answerAndClose(.error(id, failure), .tooManyErrors)
    }

    // MARK: - Authentication

    /// The client is given a later turn, and time to use it. The connection stays.
    mutating func admissionDeferred(
        _ id: CommandID,
        by wait: TimeAmount,
        _ failure: Failure,
        now: NIODeadline
    ) -> CommandAction {
        guard case .unauthenticated = self.state else { return .ignore }
        self.turn = now + wait
        self.authenticationDeadline = now + wait + self.settings.authenticationTimeout
        return .answer(.error(id, failure))
    }

    /// There is no turn within the time that may be waited: another edge may have one.
    mutating func admissionRefused(_ id: CommandID, _ failure: Failure, now: NIODeadline) -> CommandAction {
        guard case .unauthenticated = self.state else { return .ignore }
        self.beginClosing(now: now)
        return .answerAndClose(.error(id, failure), .overloaded)
    }

    /// The token is good, until the time that is given: it begins the session, or prolongs an open one.
    mutating func tokenAccepted(
        _ id: CommandID,
        _ owner: Owner,
        until end: NIODeadline,
        now: NIODeadline
    ) -> CommandAction {
        switch self.state {
        case .unauthenticated:
            self.turn = nil
            self.tokenEndsAt = end
            self.state = .authenticating(id, owner)
            return .open(owner)
        case .open(let current, _):
            guard owner.user == current.user, owner.device == current.device else {
                let failure = Failure(
                    .alreadyAuthenticated,
                    "This session is that of another device; open another connection for another session."
                )
                return self.refuse(id, failure, now: now)
            }
            self.errorsInRow = 0
            self.state = .open(owner, TokenLife(until: end, grace: self.settings.tokenGrace))
            return .prolonged(owner)
        case .authenticating, .closing, .closed:
            return .ignore
        }
    }

    /// The answer to a token that is not good. A session that has not begun ends with it; one that is open goes on with
    /// the token that it has.
    mutating func tokenRefused(_ id: CommandID, _ failure: Failure, now: NIODeadline) -> CommandAction {
        switch self.state {
        case .unauthenticated:
            self.beginClosing(now: now)
            return .answerAndClose(.error(id, failure), failure.code == .tokenExpired ? .tokenExpired : .invalidToken)
        case .open:
            return self.refuse(id, failure, now: now)
        case .authenticating, .closing, .closed:
            return .ignore
        }
    }

    enum OpenedAction: Equatable {
        case open(CommandID, Owner)
        /// It ended meanwhile.
        case ignore
    }

    /// The session is in the registry, and the routers know: it may begin.
    mutating func opened() -> OpenedAction {
        guard case .authenticating(let id, let owner) = self.state else { return .ignore }
        self.state = .open(owner, TokenLife(until: self.tokenEndsAt, grace: self.settings.tokenGrace))
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
        case .authenticating(_, let owner), .open(let owner, _): return owner
        case .closing(_, let owner): return owner
        case .unauthenticated, .closed: return nil
        }
    }

    private mutating func beginClosing(now: NIODeadline) {
        let deadline = now + self.settings.closeTimeout
        switch self.state {
        case .unauthenticated: self.state = .closing(deadline: deadline, nil)
        case .authenticating(_, let owner), .open(let owner, _): self.state = .closing(deadline: deadline, owner)
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
        case tell(ServerMessage)
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
        case .open(let owner, var life):
            let action = life.tick(now: now)
            self.state = .open(owner, life)
            switch action {
            case .none: break
            case .tell: return .tell(.error(nil, Self.tokenEnded))
            case .close:
                self.beginClosing(now: now)
                return .sendClose(.tokenExpired)
            }
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

    /// What was left out so far will be in the answer to a sync.
    mutating func syncBegan() {
        self.isBehind = false
    }

    /// Returns whether the client has to be told to resynchronize.
    mutating func becameWritable() -> Bool {
        guard self.isBehind, self.openOwner != nil else { return false }
        self.isBehind = false
        return true
    }

    private static let tokenEnded = Failure(
        .tokenExpired,
        "The access token of this session has ended: send `authenticate` with a fresh one, or it will be closed."
    )
}
