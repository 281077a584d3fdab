// SPDX-License-Identifier: Apache-2.0

import Directory
import Messaging
import NIOCore
import Wire

/// Carries out ``DeliverySettlement``s. May be used from any thread.
///
/// There are no more of them at a time than operations that wait for their answer.
final class DeliverySettler: Sendable {
    /// How often those that were not reached are looked at.
    private static let tickInterval = TimeAmount.milliseconds(100)

    /// Asks one edge; the completion says whether it answered.
    typealias Ask = @Sendable (EdgeLife, SettleDeliveries, @escaping @Sendable (Bool) -> Void) -> Void

    /// One settlement under way; confined to the event loop.
    private final class Run {
        var settlement: DeliverySettlement
        let question: SettleDeliveries
        let completion: @Sendable () -> Void
        var isTicking = false
        var isOver = false

        init(_ settlement: DeliverySettlement, _ question: SettleDeliveries, completion: @escaping @Sendable () -> Void)
        {
            self.settlement = settlement
            self.question = question
            self.completion = completion
        }
    }

    private let loop: any EventLoop
    private let links: RouterLinks
    private let silenceLimit: TimeAmount
    private let ask: Ask

    init(loop: any EventLoop, links: RouterLinks, silenceLimit: TimeAmount, ask: @escaping Ask) {
        self.loop = loop
        self.links = links
        self.silenceLimit = silenceLimit
        self.ask = ask
    }

    /// The completion comes when what was put on the links before cannot reach those who left any more.
    func settle(_ departure: Departure, completion: @escaping @Sendable () -> Void) {
        let question = SettleDeliveries(
            users: departure.users,
            conversation: departure.conversation,
            through: departure.through
        )
        self.loop.execute {
            let linked = self.links.edges
            let settlement = DeliverySettlement(
                linked: linked,
                lost: self.links.lostEdges,
                silenceLimit: self.silenceLimit,
                now: .now()
            )
            let run = NIOLoopBound(Run(settlement, question, completion: completion), eventLoop: self.loop)
            for edge in linked { self.ask(edge, run) }
            self.advance(run)
        }
    }

    private func ask(_ edge: EdgeLife, _ run: NIOLoopBound<Run>) {
        self.ask(edge, run.value.question) { isAnswered in
            self.loop.execute {
                if isAnswered {
                    run.value.settlement.answered(edge)
                } else {
                    run.value.settlement.failed(edge, now: .now())
                }
                self.advance(run)
            }
        }
    }

    private func advance(_ run: NIOLoopBound<Run>) {
        guard !run.value.isOver else { return }
        guard !run.value.settlement.isSettled else {
            run.value.isOver = true
            return run.value.completion()
        }
        guard !run.value.isTicking else { return }
        run.value.isTicking = true
        self.loop.scheduleTask(in: Self.tickInterval) {
            run.value.isTicking = false
            for edge in run.value.settlement.tick(linked: self.links.edges, now: .now()) {
                self.ask(edge, run)
            }
            self.advance(run)
        }
    }
}
