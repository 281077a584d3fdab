// SPDX-License-Identifier: Apache-2.0

internal import Messaging
internal import NIOCore
internal import Wire

/// Does what an operator wants of this edge. May be used from any thread.
final class EdgeOperator: Sendable {
    private let services: SessionServices
    private let evacuation: Evacuation

    init(services: SessionServices, evacuation: Evacuation) {
        self.services = services
        self.evacuation = evacuation
    }

    func operate(_ order: OperateNode) -> Result<NodeReport, Failure> {
        var plan = Evacuation.Plan(
            rate: Double(order.rate),
            window: .milliseconds(Int64(order.windowMilliseconds)),
            count: nil,
            targets: order.targets
        )
        switch order.verb {
        case .report:
            break
        case .drain:
            guard self.services.enter(.draining) else { return .failure(.stopping) }
            self.evacuation.begin(plan)
        case .undrain:
            guard self.services.enter(.open) else { return .failure(.stopping) }
            // Who takes an edge back that nobody drained does not mean to end somebody's rebalancing.
            self.evacuation.end(.drain)
        case .shed:
            guard self.services.mode == .open else {
                return .failure(Failure(.conflict, "This edge is being drained already."))
            }
            plan.count = Int(order.count)
            if order.count == 0 { self.evacuation.end(.shed) } else { self.evacuation.begin(plan) }
        }
        return .success(self.report)
    }

    private var report: NodeReport {
        let sessions = self.services.openEnds
        var obstacles: [String] = []
        if self.services.mode == .open { obstacles.append("it takes new sessions: drain it first") }
        if sessions > 0 { obstacles.append("\(sessions) sessions are connected to it") }
        return NodeReport(
            state: self.services.mode.reported,
            sessions: UInt64(max(0, sessions)),
            asked: UInt64(self.evacuation.asked),
            shedding: UInt64(max(0, self.evacuation.leftToShed)),
            obstacles: obstacles
        )
    }
}

extension EdgeMode {
    fileprivate var reported: NodeReport.State {
        switch self {
        case .open: .serving
        case .draining: .draining
        case .stopping: .stopping
        }
    }
}
