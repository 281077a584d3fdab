// SPDX-License-Identifier: Apache-2.0

internal import Directory
internal import Logging
internal import Messaging
internal import Observability
import Synchronization

/// Keeps the registry true about this edge: registers sessions one by one, and all of them when Redis has lost them.
/// May be used from any thread.
///
/// Redis is soft (contract C6): a session begins even when it cannot be registered. Then the completeness marker is
/// taken away first, so that the routers send this edge everything until the registry is whole again.
final class RegistryKeeper: Sendable {
    static let tickInterval = Duration.seconds(1)

    let life: EdgeLife
    private let directory: any SessionDirectory
    private let index: SessionIndex
    private let metrics: EdgeMetrics
    private let logger: Logger
    private let state = Mutex(EdgeRegistration())
    /// Called with each session of this edge that turns out to have a newer one elsewhere.
    private let onSuperseded: @Sendable (UserID, DeviceID, SessionIndex.Entry) -> Void
    /// Called when it has changed in which life of the registry all sessions are, if in any; in the order of the
    /// changes. Must not call back.
    private let onChange: @Sendable (RegistryLife?) -> Void

    init(
        life: EdgeLife,
        directory: any SessionDirectory,
        index: SessionIndex,
        metrics: EdgeMetrics,
        logger: Logger,
        onSuperseded: @escaping @Sendable (UserID, DeviceID, SessionIndex.Entry) -> Void,
        onChange: @escaping @Sendable (RegistryLife?) -> Void
    ) {
        self.onChange = onChange
        self.life = life
        self.directory = directory
        self.index = index
        self.metrics = metrics
        self.logger = logger
        self.onSuperseded = onSuperseded
    }

    var isComplete: Bool { self.state.withLock { $0.completeIn != nil } }

    enum Registration: Equatable {
        /// The entry is there; `replaced` is the session that had the device before.
        case registered(replaced: SessionLocation?)
        /// There is no entry, and as far as Redis can be reached no marker either.
        case failed
        case tooManyDevices
        /// The entry is that of a newer session.
        case outdated
    }

    func register(_ user: UserID, _ device: DeviceID, _ session: SessionID) async -> Registration {
        do {
            let replaced = try await self.directory.register(user, device, self.location(session))
            // Whoever announces this session says before that it is not where the others are.
            let life = self.directory.life
            self.change { $0.registered(in: life) }
            return .registered(replaced: replaced)
        } catch {
            switch (error as? DirectoryError)?.code {
            case .tooManyDevices: return .tooManyDevices
            case .newerSession: return .outdated
            default: break
            }
            self.metrics.registrationsFailed.increment()
            await self.carryOut(self.change { $0.registrationFailed() })
            return .failed
        }
    }

    /// A failure is left to the entry's end of life and to the routers, who find that the session is not here.
    func unregister(_ user: UserID, _ device: DeviceID, _ session: SessionID) async {
        _ = try? await self.directory.unregister(user, device, self.location(session))
    }

    /// Until the task is cancelled.
    func run() async {
        while !Task.isCancelled {
            await self.tick(now: .now)
            try? await Task.sleep(for: Self.tickInterval)
        }
    }

    /// Says that the registry is not to be trusted about this edge any more.
    func withdraw() async {
        _ = try? await self.directory.clearComplete(self.life)
    }

    func tick(now: ContinuousClock.Instant) async {
        let life = self.directory.life
        switch self.change({ $0.tick(now: now, life: life) }) {
        case .none:
            break
        case .renewMarker:
            guard let stands = try? await self.directory.renewComplete(self.life) else { return }
            self.change { $0.markerRenewed(stands: stands) }
            if !stands {
                self.logger.notice("The registry has lost its entries; registering all sessions anew")
            }
        case .refill:
            await self.refill()
        }
    }

    private func refill() async {
        let registrations = self.index.registrations(self.life)
        do {
            let newer = try await self.directory.refill(self.life, registrations)
            self.metrics.registryRefills.increment()
            await self.refillEnded(succeeded: true)
            self.logger.info(
                "All sessions are registered",
                metadata: .keys([.count: "\(registrations.count)"])
            )
            for entry in newer where entry.location.life != self.life {
                guard let current = self.index.current(entry.user, entry.device) else { continue }
                // One that began after the refill did is newer than what the refill found.
                guard registrations.contains(where: { $0.location.session == current.session }) else { continue }
                self.onSuperseded(entry.user, entry.device, current)
            }
        } catch {
            self.logger.debug("The registry could not be filled", metadata: .keys([.reason: "\(error)"]))
            await self.refillEnded(succeeded: false)
        }
    }

    private func refillEnded(succeeded: Bool) async {
        let life = self.directory.life
        await self.carryOut(self.change { $0.refillEnded(succeeded: succeeded, life: life) })
    }

    private func change<Result>(_ change: (inout EdgeRegistration) -> Result) -> Result {
        self.state.withLock { state in
            let before = state.completeIn
            defer {
                if state.completeIn != before { self.onChange(state.completeIn) }
            }
            return change(&state)
        }
    }

    private func carryOut(_ action: EdgeRegistration.FailureAction) async {
        switch action {
        case .none: break
        case .clearMarker: _ = try? await self.directory.clearComplete(self.life)
        }
    }

    private func location(_ session: SessionID) -> SessionLocation {
        SessionLocation(edge: self.life.edge, incarnation: self.life.incarnation, session: session)
    }
}
