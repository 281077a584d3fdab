// SPDX-License-Identifier: Apache-2.0

import Mesh
import Messaging
import Placement
import Synchronization
import Wire

/// Does what an operator wants of this router. May be used from any thread.
///
/// Drained is a router that is in no shard's view: it owns no slot, answers `moved` to whoever still asks it, and goes on
/// until it is stopped or taken back.
final class RouterOperator: Sendable {
    private let routing: RoutingState
    private let shards: ShardRoster
    private let state = Mutex(NodeReport.State.serving)

    init(routing: RoutingState, shards: ShardRoster) {
        self.routing = routing
        self.shards = shards
    }

    var isDraining: Bool { self.state.withLock { $0 == .draining } }

    /// The process ends: no order changes anything any more.
    func beginStop() {
        self.state.withLock { $0 = .stopping }
    }

    func operate(_ order: OperateNode) -> Result<NodeReport, Failure> {
        switch order.verb {
        case .report:
            break
        case .drain:
            if let shard = self.shards.names.first(where: self.isAlone) {
                return .failure(
                    Failure(
                        .conflict,
                        "It is the only router of shard \(shard): start another one first, or take one back."
                    )
                )
            }
            guard self.enter(.draining) else { return .failure(.stopping) }
            for keeper in self.shards.keepers { keeper.leave() }
        case .undrain:
            guard self.enter(.serving) else { return .failure(.stopping) }
            for keeper in self.shards.keepers { keeper.stay() }
        case .shed:
            return .failure(Failure(.invalidField, "A router has no sessions to send elsewhere."))
        }
        return .success(self.report)
    }

    private func enter(_ wanted: NodeReport.State) -> Bool {
        self.state.withLock { state in
            guard state != .stopping else { return false }
            state = wanted
            return true
        }
    }

    /// Whether nobody could take over. Of a shard whose view is not known nothing is said: it is left as soon as it is.
    private func isAlone(_ shard: String) -> Bool {
        guard let view = self.routing.view(of: shard) else { return false }
        return view.member(named: self.routing.own.name) != nil && view.members.count == 1
    }

    private var report: NodeReport {
        let table = self.routing.snapshot
        let slots = table.slots(of: self.routing.own).count
        let state = self.state.withLock { $0 }
        // Taken back a moment ago it may be in no view yet.
        var obstacles = state == .serving ? ["it takes slots: drain it first"] : []
        for shard in self.shards.names where table.map.map({ $0.shards.contains(shard) }) ?? true {
            // What is not known may be the worst.
            guard let view = table.views[shard] else {
                obstacles.append("the view of shard \(shard) is not known")
                continue
            }
            guard view.member(named: self.routing.own.name) != nil else { continue }
            obstacles.append(
                state == .draining && view.members.count == 1
                    ? "it is the only router left to shard \(shard): start another one, or take one back"
                    : "it is in the view of shard \(shard)"
            )
        }
        return NodeReport(state: state, slots: UInt64(slots), obstacles: obstacles)
    }
}

extension RouterOperator {
    /// What a node that speaks an older version would not understand is not asked of it. Another router may have agreed on a
    /// newer one with it, so that is said to be unavailable here.
    ///
    /// - Parameter version: agreed with the node; nil without a link to it.
    static func refusal(of order: OperateNode, to node: String, speaking version: UInt16?) -> Failure? {
        guard order.verb == .shed, let version, version < MeshVersion.shedding else { return nil }
        return Failure(
            .unavailable,
            """
            \(node) runs an older version, or is held at it by limits.mesh_version_max: it speaks version \(version) of the \
            mesh with this router, and sessions are shed since version \(MeshVersion.shedding).
            """
        )
    }

    /// What another node answered.
    static func report(
        of node: String,
        _ answer: Result<MeshResponse, MeshError>
    ) -> Result<NodeReport, Failure> {
        switch answer {
        case .failure(let error) where error.code == .notConnected:
            return .failure(Failure(.unavailable, "This router has no link to a node \(node)."))
        case .failure(let error):
            return .failure(Failure(.unavailable, "\(node) gave no answer: \(error.message)."))
        case .success(let response):
            switch ResponseStatus(rawValue: response.status) {
            case .ok:
                guard let report = try? NodeReport(decoding: response.payload) else { return .failure(.notUnderstood) }
                return .success(report)
            case .failed:
                return .failure((try? FailureBody(decoding: response.payload))?.failure ?? .notUnderstood)
            case .moved, .outOfOrder, nil:
                return .failure(.notUnderstood)
            }
        }
    }
}

extension Failure {
    fileprivate static let notUnderstood = Failure(.internal, "The node answered something that is not understood.")
    fileprivate static let stopping = Failure(.unavailable, "This node stops already.")
}
