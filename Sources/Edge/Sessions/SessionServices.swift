// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
internal import Messaging
internal import NIOCore
import Synchronization

/// What the sessions of an edge share. May be used from any thread.
final class SessionServices: Sendable {
    let settings: SessionSettings
    let routers: RouterClient
    let receipts: ReceiptSender
    let metrics: EdgeMetrics
    let admission: AdmissionControl
    private let verifier: any TokenVerifier
    private let opener: any SessionOpening
    /// Lets a bounded number of syncs ask the routers at a time.
    let syncGate: SyncGate
    let presence: PresenceService
    private let connections = Atomic(0)
    private let currentMode = Atomic(EdgeMode.open.rawValue)
    /// Sessions whose end the registry has not been told yet.
    private let closing = Atomic(0)

    init(
        settings: SessionSettings,
        routers: RouterClient,
        receipts: ReceiptSender,
        verifier: any TokenVerifier,
        admission: AdmissionControl,
        opener: any SessionOpening,
        presence: PresenceService,
        metrics: EdgeMetrics
    ) {
        self.settings = settings
        self.routers = routers
        self.receipts = receipts
        self.verifier = verifier
        self.admission = admission
        self.opener = opener
        self.syncGate = SyncGate(permits: settings.sync.asksMax)
        self.presence = presence
        self.metrics = metrics
    }

    // MARK: - Room

    /// Whether one more WebSocket may be opened.
    var hasRoom: Bool {
        self.mode == .open && self.connections.load(ordering: .relaxed) < self.settings.sessionsMax
    }

    /// Counts a connection. Returns false at the bound, when others were faster: it is counted all the same.
    func connectionBegan() -> Bool {
        self.connections.wrappingAdd(1, ordering: .relaxed).newValue <= self.settings.sessionsMax
    }

    func connectionEnded() {
        self.connections.wrappingSubtract(1, ordering: .relaxed)
    }

    /// Connections, and ends of sessions that are still to be told.
    var openEnds: Int {
        self.connections.load(ordering: .relaxed) + self.closing.load(ordering: .relaxed)
    }

    // MARK: - Drain

    var mode: EdgeMode { EdgeMode(rawValue: self.currentMode.load(ordering: .relaxed)) ?? .stopping }

    /// Returns false, and changes nothing, when the edge stops already.
    @discardableResult
    func enter(_ mode: EdgeMode) -> Bool {
        var seen = self.currentMode.load(ordering: .relaxed)
        while seen != EdgeMode.stopping.rawValue {
            let (exchanged, original) = self.currentMode.compareExchange(
                expected: seen,
                desired: mode.rawValue,
                ordering: .relaxed
            )
            if exchanged { return true }
            seen = original
        }
        return mode == .stopping
    }

    // MARK: - Sessions

    /// The settings of a session's machine.
    var machine: Session.Settings {
        var machine = self.settings.machine
        machine.commandLimit = self.admission.commandsPerSession
        return machine
    }

    /// Whose session it becomes. Fails with `unauthenticated` or `token_expired`.
    func verify(_ fields: ClientCommand.Authenticate) throws(Failure) -> Session.Owner {
        let claims = try self.verifier.verify(accessToken: fields.token)
        guard claims.device == fields.deviceID else {
            throw Failure(.unauthenticated, "The access token is that of another device.")
        }
        return claims
    }

    func open(
        _ owner: Session.Owner,
        _ session: SessionID,
        loop: Int,
        on eventLoop: any EventLoop,
        completion: @escaping @Sendable (SessionOpener.Outcome) -> Void
    ) {
        self.opener.open(owner, session, loop: loop, on: eventLoop) { [presence] outcome in
            presence.attachmentChanged(owner.user)
            completion(outcome)
        }
    }

    func close(_ owner: Session.Owner, _ session: SessionID, on eventLoop: any EventLoop) {
        self.closing.wrappingAdd(1, ordering: .relaxed)
        self.opener.close(owner, session, on: eventLoop).whenComplete { _ in
            self.closing.wrappingSubtract(1, ordering: .relaxed)
        }
        self.presence.ended(session, of: owner.user)
    }
}
