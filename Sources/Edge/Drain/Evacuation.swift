// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
internal import NIOCore
import Synchronization

/// Has sessions of the edge go to other edges, at a set rate: all of them, or a number. May be used from any thread.
///
/// A session that is asked draws a moment within the window and connects elsewhere; one that does not understand
/// `reconnect` is closed when the window and some time more are over. One evacuation at a time: a newer one takes the
/// place of the older.
final class Evacuation: Sendable {
    struct Plan: Sendable, Equatable {
        /// Sessions in a second; above 0.
        var rate: Double
        /// Within which each of them goes once it is asked.
        var window: TimeAmount
        /// How many; nil for all, those that come later included.
        var count: Int?
        /// `HOST:PORT`, one after the other; empty for all edges that take sessions.
        var targets: [String] = []
    }

    static let interval = TimeAmount.milliseconds(50)

    private struct Running {
        var number: UInt64
        var plan: Plan
        var pace: LeavePace
        var left: Int?
    }

    private struct State {
        var running: Running?
        var number: UInt64 = 0
        var asked = 0
        var nextTarget = 0
    }

    private let loops: [SessionLoop]
    private let state = Mutex(State())
    /// `HOST:PORT` of edges that take sessions.
    private let targets: @Sendable () -> [String]

    init(loops: [SessionLoop], targets: @escaping @Sendable () -> [String]) {
        self.loops = loops
        self.targets = targets
    }

    /// Sessions that were asked to go since the edge began.
    var asked: Int { self.state.withLock { $0.asked } }

    func begin(_ plan: Plan) {
        let now = self.now
        let number = self.state.withLock { state in
            state.number += 1
            state.running = Running(
                number: state.number,
                plan: plan,
                pace: LeavePace(rate: plan.rate, now: now),
                left: plan.count
            )
            return state.number
        }
        self.schedule(number)
    }

    /// What an evacuation is for: an order that ends one kind leaves the other alone.
    enum Kind: Sendable {
        /// Of all sessions.
        case drain
        /// Of a number of them.
        case shed
    }

    /// No more sessions are asked by an evacuation of this kind; those that were go all the same.
    func end(_ kind: Kind) {
        self.state.withLock { state in
            guard let running = state.running, (running.left == nil) == (kind == .drain) else { return }
            state.running = nil
        }
    }

    /// Sessions of a number that are still to be asked; 0 when no number is.
    var leftToShed: Int { self.state.withLock { $0.running?.left ?? 0 } }

    private var now: NIODeadline { self.loops[0].eventLoop.now }

    private func schedule(_ number: UInt64) {
        self.loops[0].eventLoop.scheduleTask(in: Self.interval) { self.tick(number) }
    }

    private func tick(_ number: UInt64) {
        let now = self.now
        let due = self.state.withLock { state -> (count: Int, plan: Plan)? in
            guard var running = state.running, running.number == number else { return nil }
            var count = running.pace.take(now: now, interval: Self.interval)
            if let left = running.left { count = min(count, left) }
            state.running = running
            return (count, running.plan)
        }
        guard let due else { return }
        guard due.count > 0 else { return self.schedule(number) }
        self.ask(due.count, due.plan, loop: 0).whenComplete { result in
            let asked = (try? result.get()) ?? 0
            let goesOn = self.state.withLock { state -> Bool in
                state.asked += asked
                guard var running = state.running, running.number == number else { return false }
                running.left = running.left.map { $0 - asked }
                state.running = running.left == 0 ? nil : running
                return state.running != nil
            }
            if goesOn { self.schedule(number) }
        }
    }

    /// Asks sessions of this loop, and of the next ones if it has too few.
    private func ask(_ count: Int, _ plan: Plan, loop place: Int) -> EventLoopFuture<Int> {
        let targets = plan.targets.isEmpty ? self.targets() : plan.targets
        let first = self.state.withLock { $0.nextTarget }
        self.state.withLock { $0.nextTarget &+= count }
        return self.loops[place].askToGo(count, within: plan.window, to: targets, from: first).flatMap { asked in
            guard asked < count, place + 1 < self.loops.count else {
                return self.loops[place].eventLoop.makeSucceededFuture(asked)
            }
            return self.ask(count - asked, plan, loop: place + 1).map { $0 + asked }
        }
    }
}
