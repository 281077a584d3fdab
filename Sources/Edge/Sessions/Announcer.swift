// SPDX-License-Identifier: Apache-2.0

internal import Mesh
internal import Messaging
internal import NIOCore
import Synchronization
internal import Wire

/// Tells the routers which users came to this edge and left it. May be used from any thread.
///
/// Everything is sent from one event loop, so that each link carries the announcements in their order; what came up
/// within one turn of that loop is joined. A router that gets a link later is told nothing: it drops what it knew about
/// an edge when the link to it goes up.
final class Announcer: Sendable {
    /// How long a router whose link is full is left alone.
    static let retryDelay = TimeAmount.milliseconds(20)

    private let eventLoop: any EventLoop
    private let links: any RouterLinks
    private let index: SessionIndex
    private let waiting = Mutex(Waiting())
    private let queue: NIOLoopBoundBox<Queue>

    private struct Waiting {
        var attached: [(user: UserID, completion: @Sendable () -> Void)] = []
        var detached: Set<UserID> = []
        /// The life of the Redis whose registry knows all sessions of the edge; nil when none does.
        var registry: String?
        var tellsRegistration = false
        var isScheduled = false
    }

    private struct Queue {
        var announcements = AnnouncementQueue()
        var isRetryScheduled = false
    }

    init(eventLoop: any EventLoop, links: any RouterLinks, index: SessionIndex) {
        self.eventLoop = eventLoop
        self.links = links
        self.index = index
        self.queue = NIOLoopBoundBox.makeBoxSendingValue(Queue(), eventLoop: eventLoop)
    }

    /// - Parameter completion: called once, on any thread, when every linked router has the announcement in its queue.
    func attached(_ user: UserID, completion: @escaping @Sendable () -> Void) {
        self.add { $0.attached.append((user, completion)) }
    }

    func attached(_ user: UserID) async {
        await withCheckedContinuation { continuation in
            self.attached(user) { continuation.resume() }
        }
    }

    func detached(_ user: UserID) {
        self.add { $0.detached.insert(user) }
    }

    /// Whether the registry knows all sessions of the edge has changed: every announcement from now on says it.
    ///
    /// - Parameter registry: the life of the Redis that it is in, nil when it does not know them.
    func registrationChanged(_ registry: String?) {
        self.add {
            $0.registry = registry
            $0.tellsRegistration = true
        }
    }

    /// There is a router that was not told yet.
    func tellRegistration() {
        self.add { $0.tellsRegistration = true }
    }

    private func add(_ change: (inout Waiting) -> Void) {
        let schedules = self.waiting.withLock { waiting in
            change(&waiting)
            defer { waiting.isScheduled = true }
            return !waiting.isScheduled
        }
        guard schedules else { return }
        self.eventLoop.execute { self.flush() }
    }

    private func flush() {
        let taken = self.waiting.withLock { waiting in
            let taken = waiting
            waiting = Waiting(registry: taken.registry)
            return taken
        }
        // Whoever came back meanwhile has not left.
        let attachedUsers = Set(taken.attached.map(\.user))
        var detached = taken.detached.filter { !attachedUsers.contains($0) && !self.index.contains($0) }
            .sorted()[...]
        var attached = taken.attached[...]
        let routers = Set(self.links.linkedRouters)
        var tellsRegistration = taken.tellsRegistration
        while !attached.isEmpty || !detached.isEmpty || tellsRegistration {
            tellsRegistration = false
            let came = attached.prefix(Attachment.usersMax)
            let left = detached.prefix(Attachment.usersMax)
            attached = attached.dropFirst(came.count)
            detached = detached.dropFirst(left.count)
            self.queue.value.announcements.append(
                Attachment(
                    attached: came.map(\.user),
                    detached: Array(left),
                    isRegistered: taken.registry != nil,
                    registry: taken.registry ?? ""
                ),
                to: routers,
                completions: came.map(\.completion)
            )
        }
        self.offer()
    }

    private func offer() {
        let due = self.queue.value.announcements.offer { attachment, router in
            let outcome = self.links.notify(
                kind: NotificationKind.attachment.rawValue,
                payload: attachment.encoded(),
                to: router,
                class: .durable
            )
            switch outcome {
            case .overloaded: return .full
            case .queued, .notConnected, .dropped, .tooLarge: return .taken
            }
        }
        for completion in due { completion() }
        guard !self.queue.value.announcements.isEmpty, !self.queue.value.isRetryScheduled else { return }
        self.queue.value.isRetryScheduled = true
        self.eventLoop.scheduleTask(in: Self.retryDelay) {
            self.queue.value.isRetryScheduled = false
            self.offer()
        }
    }
}
