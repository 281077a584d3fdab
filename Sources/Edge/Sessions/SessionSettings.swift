// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
package import ClusterConfiguration
internal import Messaging
internal import NIOCore

/// Bounds and times of the sessions of one edge.
package struct SessionSettings: Sendable {
    /// WebSockets at one time, authenticated or not; more are refused before they are opened.
    package var sessionsMax: Int
    /// Bytes that may wait for one client; beyond it gets no live events until they are sent.
    package var unsentBytesMax: Int
    /// Bytes of one WebSocket message, in one frame or in fragments.
    package var messageBytesMax: Int
    /// Messages of one session that wait for their answer; more are refused.
    package var submitsInFlightMax: Int
    package var submitTimeout: Duration
    package var authenticationTimeout: Duration
    package var heartbeat: Duration
    package var silence: Duration
    /// Wrong commands in a row; one more ends the session.
    package var errorsInRowMax = Session.Settings.errorsInRowMaxDefault
    package var sync = Sync()
    /// How long a session outlives its access token.
    package var tokenGrace = Duration.seconds(30)

    package struct Sync: Sendable {
        /// Messages that one conversation is brought up to date with; with more it is told as too far.
        package var messagesPerConversationMax = 1000
        /// Messages of one sync.
        package var messagesMax = 10_000
        /// Bytes of live events that are held for one session while it is brought up to date.
        package var heldBytesMax = 256 << 10
        /// Questions to routers for syncs that the edge has under way; more wait for their turn.
        package var asksMax = 64

        package init() {}
    }

    package init(_ settings: ClusterSettings) {
        self.sessionsMax = settings.limits.sessionsPerEdge
        self.unsentBytesMax = settings.limits.sessionUnsentBytes
        self.messageBytesMax = settings.limits.websocketFrameBytes
        self.submitsInFlightMax = settings.limits.submitsInFlightPerSession
        self.submitTimeout = settings.timeouts.submit
        self.authenticationTimeout = settings.timeouts.authenticate
        self.heartbeat = settings.timeouts.clientHeartbeat
        self.silence = settings.timeouts.clientSilence
        self.sync.messagesPerConversationMax = settings.limits.syncMessagesPerConversation
        self.sync.messagesMax = settings.limits.syncMessages
        self.sync.heldBytesMax = settings.limits.syncHeldBytes
        self.sync.asksMax = settings.limits.syncsUnderWay
        self.tokenGrace = settings.timeouts.tokenGrace
    }

    package init(
        sessionsMax: Int,
        unsentBytesMax: Int,
        messageBytesMax: Int,
        submitsInFlightMax: Int,
        submitTimeout: Duration,
        authenticationTimeout: Duration,
        heartbeat: Duration,
        silence: Duration
    ) {
        self.sessionsMax = sessionsMax
        self.unsentBytesMax = unsentBytesMax
        self.messageBytesMax = messageBytesMax
        self.submitsInFlightMax = submitsInFlightMax
        self.submitTimeout = submitTimeout
        self.authenticationTimeout = authenticationTimeout
        self.heartbeat = heartbeat
        self.silence = silence
    }

    var machine: Session.Settings {
        Session.Settings(
            authenticationTimeout: TimeAmount(self.authenticationTimeout),
            heartbeat: TimeAmount(self.heartbeat),
            silence: TimeAmount(self.silence),
            errorsInRowMax: self.errorsInRowMax,
            // More than a client can have under way that heeds the answers.
            refusalsInRowMax: 1000 + self.submitsInFlightMax,
            tokenGrace: TimeAmount(self.tokenGrace)
        )
    }

    /// What a client is told in `authenticated`.
    func authenticated(_ owner: Session.Owner, _ session: SessionID) -> Authenticated {
        Authenticated(
            userID: owner.user,
            deviceID: owner.device,
            sessionID: session,
            heartbeatMilliseconds: Int(TimeAmount(self.heartbeat).nanoseconds / 1_000_000),
            limits: Authenticated.Bounds(
                bodyBytes: Limits.messageBodyBytesMax,
                frameBytes: self.messageBytesMax,
                inFlight: self.submitsInFlightMax
            )
        )
    }
}
