// SPDX-License-Identifier: Apache-2.0

import Mesh
import NIOCore
import Synchronization
import Wire

/// Tells the edges how far they have come, behind what was delivered to them.
///
/// From one event loop, twice a second where something moved. A gap is told as soon as the link takes something again,
/// and until then nothing else, so that no edge takes a position for true whose deliveries it never got.
final class ProgressTeller: Sendable {
    static let interval = TimeAmount.milliseconds(500)

    let loop: any EventLoop
    private let journal: ChangeJournal
    /// The edges with a link.
    private let edges: @Sendable () -> [String]
    private let send: @Sendable (_ edge: String, ByteBuffer) -> SendOutcome
    private let task = Mutex<RepeatedTask?>(nil)
    private let told: NIOLoopBoundBox<ToldProgress>

    init(
        loop: any EventLoop,
        journal: ChangeJournal,
        edges: @escaping @Sendable () -> [String],
        send: @escaping @Sendable (_ edge: String, ByteBuffer) -> SendOutcome
    ) {
        self.loop = loop
        self.journal = journal
        self.edges = edges
        self.send = send
        self.told = NIOLoopBoundBox.makeBoxSendingValue(ToldProgress(), eventLoop: loop)
    }

    func start() {
        let task = self.loop.scheduleRepeatedTask(initialDelay: Self.interval, delay: Self.interval) { _ in self.tell()
        }
        self.task.withLock { $0 = task }
    }

    func stop() {
        self.task.withLock { $0 }?.cancel()
    }

    /// A new link: what was told over an older one is told again. From any thread.
    func linked(_ edge: String) {
        self.loop.execute { self.told.value.linked(edge) }
    }

    private func tell() {
        let edges = self.edges()
        self.told.value.keep(Set(edges))
        self.journal.keep(edges: Set(edges))
        for edge in edges {
            let progress = self.journal.takeProgress(of: edge)
            guard self.told.value.isNews(progress, to: edge) || !progress.after.isEmpty else { continue }
            guard self.send(edge, progress.encoded()).isQueued else {
                self.journal.untold(progress, to: edge)
                continue
            }
            self.told.value.was(progress, to: edge)
        }
    }
}

/// What each edge was told last. Pure.
package struct ToldProgress: Sendable {
    private var positions: [String: UInt64] = [:]

    package init() {}

    /// Only these edges have a link.
    package mutating func keep(_ edges: Set<String>) {
        self.positions = self.positions.filter { edges.contains($0.key) }
    }

    /// Over a new link everything is told again.
    package mutating func linked(_ edge: String) {
        self.positions[edge] = nil
    }

    package func isNews(_ progress: DeliveryProgress, to edge: String) -> Bool {
        progress.kind != .reached || self.positions[edge] != progress.position
    }

    package mutating func was(_ progress: DeliveryProgress, to edge: String) {
        self.positions[edge] = progress.kind == .gap ? nil : progress.position
    }
}
