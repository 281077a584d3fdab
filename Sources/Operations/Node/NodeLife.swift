// SPDX-License-Identifier: Apache-2.0

import Directory
import Logging
import Synchronization

/// One life of a node, from its lease to the end:
///
/// ```
///   lease ──► start ──► not ready ──► ready ──► draining ──► shutdown ──► lease given back
///     │         │                                  ▲
///     │         └── failed ────────────────────────┤ signal, name taken by another life
///     └── name taken: refused
/// ```
package struct NodeLife: Sendable {
    package enum StopReason: Sendable {
        case signal(Int32)
        case failed(OperationsError)
    }

    /// How often a node that is not ready is asked again.
    private static let readinessPause: Duration = .milliseconds(50)
    /// A node that is not ready for this long says why in the log, and again whenever the reasons change.
    private static let readinessSilence: Duration = .seconds(3)
    /// How soon the lease says that the node is being drained. Nodes are drained in seconds at best, by people, and have
    /// no way to tell it themselves.
    private static let drainingPause: Duration = .milliseconds(100)

    private let node: any NodeService
    private let keeper: LeaseKeeper
    /// For all that ``NodeService/shutdown()`` may take.
    private let shutdownTimeout: Duration
    private let logger: Logger
    private let readyMetadata: Logger.Metadata
    private let stopping = OneShot<StopReason>()

    /// - Parameter readyMetadata: What the one line "ready" in the log says: addresses, version.
    package init(
        node: any NodeService,
        keeper: LeaseKeeper,
        shutdownTimeout: Duration,
        readyMetadata: Logger.Metadata,
        logger: Logger
    ) {
        self.node = node
        self.keeper = keeper
        self.shutdownTimeout = shutdownTimeout
        self.readyMetadata = readyMetadata
        self.logger = logger
    }

    /// Asks for the end. The first reason counts. Any thread may call.
    package func stop(_ reason: StopReason) {
        self.stopping.set(reason)
    }

    /// Lives until ``stop(_:)``. Throws when the node could not start or had to end.
    ///
    /// - Parameter companion: Runs beside the node, and is cancelled with it; its failure ends the node.
    package func run(beside companion: (@Sendable () async throws -> Void)? = nil) async throws(OperationsError) {
        try await self.keeper.acquire { self.stopping.value != nil }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.keeper.run { self.stop(.failed($0)) } }
            if let companion {
                group.addTask {
                    do {
                        try await companion()
                    } catch is CancellationError {
                    } catch {
                        self.stop(.failed(Self.failure(error)))
                    }
                }
            }
            if self.stopping.value == nil {
                // Not a child: a start that hangs must not keep the node from ending.
                let starting = Task { await self.start() }
                _ = await self.stopping.wait()
                starting.cancel()
                await self.end()
            }
            await self.keeper.release()
            group.cancelAll()
        }
        if case .failed(let error) = self.stopping.value { throw error }
        self.logger.notice("stopped")
    }

    // MARK: - Private

    private func start() async {
        do {
            try await self.node.start()
        } catch {
            self.stop(.failed(Self.failure(error)))
            return
        }
        let begun = ContinuousClock.now
        var told: [String] = []
        while self.stopping.value == nil {
            let reasons = self.node.notReadyReasons()
            if reasons.isEmpty {
                await self.keeper.enter(.ready)
                self.logger.notice("ready", metadata: self.readyMetadata)
                return await self.tellDraining()
            }
            if reasons != told, ContinuousClock.now - begun > Self.readinessSilence {
                self.logger.warning("not ready yet", metadata: ["reasons": "\(reasons.joined(separator: "; "))"])
                told = reasons
            }
            try? await Task.sleep(for: Self.readinessPause)
        }
    }

    /// Has the lease say whether the node is being drained, until it stops.
    private func tellDraining() async {
        var told = false
        while self.stopping.value == nil {
            let isDraining = self.node.isDraining
            if isDraining != told {
                told = isDraining
                await self.keeper.enter(isDraining ? .draining : .ready)
                self.logger.notice(isDraining ? "being drained" : "drained no more")
            }
            try? await Task.sleep(for: Self.drainingPause)
        }
    }

    private func end() async {
        switch self.stopping.value {
        case .signal(let number): self.logger.notice("stopping", metadata: ["signal": "\(number)"])
        case .failed(let error): self.logger.error("stopping", metadata: ["reason": "\(error)"])
        case nil: break
        }
        await self.keeper.enter(.draining)
        let finished = OneShot<Void>()
        // Not a child: what does not end in time is left behind, and goes with the process.
        Task {
            await self.node.shutdown()
            finished.set(())
        }
        if await finished.wait(atMost: self.shutdownTimeout) == nil {
            self.logger.warning(
                "the node did not finish in time and is cut off",
                metadata: ["timeouts.shutdown": "\(self.shutdownTimeout)"]
            )
        }
    }

    private static func failure(_ error: any Error) -> OperationsError {
        if let error = error as? OperationsError { return error }
        return OperationsError("\(error)", remedy: "the lines of the log before this one say more")
    }
}
