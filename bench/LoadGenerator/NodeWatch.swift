// SPDX-License-Identifier: Apache-2.0

import LoadModel
import NIOCore
import Synchronization
import TrunklineClient

/// Asks nodes for their memory and processor time, and looks at those of this process. May be used from any thread.
final class NodeWatch: Sendable {
    /// From one question to the next, in a storm and otherwise.
    private static let stormInterval = TimeAmount.milliseconds(200)
    private static let interval = TimeAmount.seconds(1)

    struct Node: Sendable {
        var series: NodeSeries
        var samples = NodeSamples()
        var memory: NodeMemory
        var isIdentified = false
    }

    private struct State {
        var nodes: [Node]
        var generator: Node
    }

    private let http: TrunklineHTTP
    private let isStorm: Bool
    /// Of the load generator, at a time in nanoseconds after the start of the sending.
    private let ownSample: @Sendable (Int64) -> NodeSamples.Sample?
    private let state: Mutex<State>

    /// - Parameters:
    ///   - nodes: At least one.
    ///   - eventLoops: Have to outlive ``shutDown()``, which has to be called.
    ///   - ownSample: Tells of the load generator itself.
    init(
        _ nodes: [EdgeAddress],
        trust: EdgeTrust,
        isStorm: Bool,
        eventLoops: any EventLoopGroup,
        ownSample: @escaping @Sendable (Int64) -> NodeSamples.Sample?
    ) {
        self.ownSample = ownSample
        var settings = TrunklineHTTP.Settings()
        settings.trust = trust
        settings.connectTimeout = .seconds(1)
        settings.requestTimeout = .seconds(2)
        settings.repeatRule = RepeatRule(attemptsMax: 1)
        var generator = NodeSeries(name: "trunkline-load", address: "this process")
        generator.role = .generator
        self.state = Mutex(
            State(
                nodes: nodes.map { node in
                    Node(
                        series: NodeSeries(name: node.authority, address: node.authority),
                        memory: NodeMemory(node: node.authority)
                    )
                },
                generator: Node(series: generator, memory: NodeMemory(node: ""))
            )
        )
        self.isStorm = isStorm
        self.http = TrunklineHTTP(edges: nodes, eventLoops: eventLoops, settings: settings)
    }

    /// The watched nodes in their order, and then this process.
    var nodes: [Node] { self.state.withLock { $0.nodes + [$0.generator] } }

    /// Of the storm; none in another scenario.
    var memory: [NodeMemory] {
        self.isStorm ? self.state.withLock { $0.nodes.map(\.memory) } : []
    }

    func shutDown() async {
        await self.http.shutDown()
    }

    /// Asks every node once, all at the same time.
    ///
    /// - Parameters:
    ///   - start: Of the sending; nil while it is not known.
    ///   - phase: Where the run stands when the answer is there.
    func sample(since start: NIODeadline?, _ phase: @escaping @Sendable () -> NodeMemory.Phase) async {
        await withTaskGroup(of: Void.self) { group in
            for index in self.state.withLock({ $0.nodes.indices }) {
                group.addTask {
                    let text = try? await self.http.metrics(edge: index)
                    guard !Task.isCancelled else { return }
                    // The answer tells what is now.
                    let sample = text.flatMap { NodeSamples.Sample(metrics: $0, at: Self.nanoseconds(since: start)) }
                    self.state.withLock { state in
                        state.nodes[index].note(sample, text, isTimed: start != nil)
                        state.nodes[index].memory.note(sample?.residentBytes, phase())
                    }
                }
            }
            if let sample = self.ownSample(Self.nanoseconds(since: start)) {
                self.state.withLock { $0.generator.note(sample, nil, isTimed: start != nil) }
            }
        }
    }

    /// Memory and sessions of those nodes that tell both, by the place of the node.
    func census() async -> [Int: SessionMemory.Census] {
        await withTaskGroup(of: (Int, SessionMemory.Census?).self) { group in
            for index in self.state.withLock({ $0.nodes.indices }) {
                group.addTask {
                    (index, (try? await self.http.metrics(edge: index)).flatMap { SessionMemory.Census(metrics: $0) })
                }
            }
            return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
    }

    /// What sessions take, between two times.
    func sessionMemory(
        _ before: [Int: SessionMemory.Census],
        _ after: [Int: SessionMemory.Census]
    ) -> [SessionMemory] {
        let names = self.state.withLock { $0.nodes.map(\.series.name) }
        return names.enumerated().compactMap { index, name in
            guard let first = before[index], let last = after[index] else { return nil }
            return SessionMemory(node: name, before: first, after: last)
        }
    }

    private static func nanoseconds(since start: NIODeadline?) -> Int64 {
        start.map { (.now() - $0).nanoseconds } ?? 0
    }

    /// Asks again and again while `body` works, and once more when it is done.
    func watch(
        since start: NIODeadline,
        _ phase: @escaping @Sendable () -> NodeMemory.Phase,
        during body: () async throws -> Void
    ) async throws {
        let interval = self.isStorm ? Self.stormInterval : Self.interval
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                await self.sample(since: start, phase)
                var next = start
                while !Task.isCancelled {
                    // At equal distances from the start, whatever the answers take.
                    let now = NIODeadline.now()
                    while next <= now { next = next + interval }
                    try? await Task.sleep(for: .nanoseconds((next - now).nanoseconds))
                    if !Task.isCancelled { await self.sample(since: start, phase) }
                }
            }
            try await body()
            group.cancelAll()
        }
        await self.sample(since: start, phase)
    }
}

extension NodeWatch.Node {
    /// - Parameters:
    ///   - sample: Nil when there was no answer.
    ///   - text: The answer.
    ///   - isTimed: Whether the sending has a time to count from.
    fileprivate mutating func note(_ sample: NodeSamples.Sample?, _ text: String?, isTimed: Bool) {
        if !self.isIdentified, let text {
            self.series.identify(metrics: text)
            self.isIdentified = true
        }
        guard isTimed else { return }
        if let sample { self.samples.note(sample) } else { self.samples.noteMissed() }
    }
}
