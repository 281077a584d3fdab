// SPDX-License-Identifier: Apache-2.0

import LoadModel
import NIOCore
import Synchronization
import TrunklineClient

/// Asks nodes for their resident memory. May be used from any thread.
final class MemoryWatch: Sendable {
    /// From one question to the next.
    private static let interval = Duration.milliseconds(200)

    private let http: TrunklineHTTP
    private let nodes: Mutex<[NodeMemory]>

    /// - Parameters:
    ///   - nodes: None for a watch that does nothing.
    ///   - eventLoops: Have to outlive ``shutDown()``, which has to be called.
    init(_ nodes: [EdgeAddress], eventLoops: any EventLoopGroup) {
        var settings = TrunklineHTTP.Settings()
        settings.connectTimeout = .seconds(1)
        settings.requestTimeout = .seconds(2)
        settings.repeatRule = RepeatRule(attemptsMax: 1)
        self.nodes = Mutex(nodes.map { NodeMemory(node: $0.authority) })
        // At least one has to be named, and is not asked when none is watched.
        let named = nodes.isEmpty ? [EdgeAddress(host: "127.0.0.1", port: 9)] : nodes
        self.http = TrunklineHTTP(edges: named, eventLoops: eventLoops, settings: settings)
    }

    var result: [NodeMemory] { self.nodes.withLock { $0 } }

    func shutDown() async {
        await self.http.shutDown()
    }

    /// Asks every node once, all at the same time.
    func sample(_ phase: @escaping @Sendable () -> NodeMemory.Phase) async {
        await withTaskGroup(of: Void.self) { group in
            for index in self.nodes.withLock({ $0.indices }) {
                group.addTask {
                    let text = try? await self.http.metrics(edge: index)
                    let value = text.flatMap { NodeMemory.value(of: NodeMemory.metric, in: $0) }
                    guard !Task.isCancelled else { return }
                    // The answer tells what is now.
                    self.nodes.withLock { $0[index].note(value.flatMap { Int(exactly: $0.rounded()) }, phase()) }
                }
            }
        }
    }

    /// Asks again and again while `body` works.
    func watch(
        _ phase: @escaping @Sendable () -> NodeMemory.Phase,
        during body: () async throws -> Void
    ) async throws {
        guard !self.result.isEmpty else { return try await body() }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                while !Task.isCancelled {
                    await self.sample(phase)
                    try? await Task.sleep(for: Self.interval)
                }
            }
            try await body()
            group.cancelAll()
        }
    }
}
