// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
internal import Directory
internal import Messaging
internal import NIOCore

/// Who makes sessions known and forgets them. May be used from any thread.
protocol SessionOpening: Sendable {
    /// Takes the device's place on this edge at once, and makes the session known.
    ///
    /// - Parameter completion: called once, on the event loop.
    func open(
        _ owner: Session.Owner,
        _ session: SessionID,
        loop: Int,
        on eventLoop: any EventLoop,
        completion: @escaping @Sendable (SessionOpener.Outcome) -> Void
    )

    /// The session is over.
    func close(_ owner: Session.Owner, _ session: SessionID, on eventLoop: any EventLoop) -> EventLoopFuture<Void>
}

/// Makes a session known before it begins, and forgotten when it is over. May be used from any thread.
///
/// The order closes a race (a router that still believes the user elsewhere): first the registry, then the announcement
/// to all routers, then `authenticated` to the client, then whatever the client asks for. What was routed without the
/// new session is in the answer to that.
final class SessionOpener: SessionOpening {
    private let index: SessionIndex
    private let keeper: RegistryKeeper
    private let announcer: Announcer
    /// Closes a session of this edge: its place in the index says where it is.
    private let closeLocal: @Sendable (SessionIndex.Entry, CloseCode) -> Void
    /// Has a session of another edge closed.
    private let closeElsewhere: @Sendable (UserID, DeviceID, SessionLocation) -> Void

    init(
        index: SessionIndex,
        keeper: RegistryKeeper,
        announcer: Announcer,
        closeLocal: @escaping @Sendable (SessionIndex.Entry, CloseCode) -> Void,
        closeElsewhere: @escaping @Sendable (UserID, DeviceID, SessionLocation) -> Void
    ) {
        self.index = index
        self.keeper = keeper
        self.announcer = announcer
        self.closeLocal = closeLocal
        self.closeElsewhere = closeElsewhere
    }

    enum Outcome: Equatable, Sendable {
        case opened
        case refused(Failure, CloseCode)
        /// The device has a newer session on this edge, or this one is closed already.
        case superseded
    }

    func open(
        _ owner: Session.Owner,
        _ session: SessionID,
        loop: Int,
        on eventLoop: any EventLoop,
        completion: @escaping @Sendable (Outcome) -> Void
    ) {
        if let replaced = self.index.reserve(owner.user, owner.device, session, loop: loop) {
            self.closeLocal(replaced, .replaced)
        }
        eventLoop.makeFutureWithLoopTask { await self.makeKnown(owner.user, owner.device, session) }
            .whenSuccess(completion)
    }

    func close(_ owner: Session.Owner, _ session: SessionID, on eventLoop: any EventLoop) -> EventLoopFuture<Void> {
        switch self.index.release(owner.user, owner.device, session) {
        case .superseded:
            // The newer session has overwritten the entry, or will.
            return eventLoop.makeSucceededVoidFuture()
        case .released:
            break
        case .releasedLast:
            self.announcer.detached(owner.user)
        }
        return eventLoop.makeFutureWithLoopTask {
            await self.keeper.unregister(owner.user, owner.device, session)
        }
    }

    func makeKnown(_ user: UserID, _ device: DeviceID, _ session: SessionID) async -> Outcome {
        var replaced: SessionLocation?
        switch await self.keeper.register(user, device, session) {
        case .registered(let location): replaced = location
        case .failed: break
        case .tooManyDevices:
            let failure = Failure(.conflict, "You have too many devices with a session; end one of them first.")
            return .refused(failure, .tooManyDevices)
        case .outdated:
            guard self.index.current(user, device)?.session == session else { return .superseded }
            // That one goes on. A client that is still here, and means this one, connects again.
            let failure = Failure(
                .unavailable,
                "This session took so long to begin that the device has another one by now; connect again.",
                retryAfterMilliseconds: Failure.standardRetryMilliseconds
            )
            return .refused(failure, .overloaded)
        }
        // Time has passed: the device may have a newer session here, or this one may be gone.
        guard let current = self.index.current(user, device) else {
            await self.keeper.unregister(user, device, session)
            return .superseded
        }
        guard current.session == session else {
            // Whichever of the two was written last, the newer one has to be what the registry says.
            _ = await self.keeper.register(user, device, current.session)
            return .superseded
        }
        if let replaced, replaced.life != self.keeper.life {
            self.closeElsewhere(user, device, replaced)
        }
        await self.announcer.attached(user)
        return .opened
    }
}
