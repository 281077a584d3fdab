// SPDX-License-Identifier: Apache-2.0

import LoadModel
import NIOCore

/// The time in which messages are sent: one stretch of one rate, or the steps of a ramp.
struct Traffic {
    /// From the decision to a stretch to its start: the way to all event loops and processes.
    private static let lead = TimeAmount.milliseconds(200)
    /// How long nothing new may arrive at the end before what is missing is asked for.
    private static let patience = TimeAmount.seconds(2)
    /// Between two looks at whether all is sent, and whether all has come.
    private static let look = TimeAmount.milliseconds(100)

    private let command: LoadCommand
    private let crew: any Crew
    private let progress: Progress
    private let start: NIODeadline
    private var live: LiveReporter
    private var nextShown: NIODeadline
    private(set) var schedule = SendSchedule()
    /// The audit saw a violation, and that was to be the end.
    private(set) var isCutShort = false
    private var violationsShown = 0

    init(
        _ command: LoadCommand,
        _ crew: any Crew,
        _ nodes: NodeWatch,
        _ progress: Progress,
        start: NIODeadline,
        sessions: Int
    ) {
        self.command = command
        self.crew = crew
        self.progress = progress
        self.start = start
        self.nextShown = start + .seconds(1)
        self.live = LiveReporter(progress: progress, nodes: nodes, start: start, sessions: sessions)
        self.live.title = "\(command.scenario.rawValue), \(FigureText.trimmed(command.messagesPerSecond)) messages/s"
    }

    private var elapsed: Int64 { (NIODeadline.now() - self.start).nanoseconds }

    /// Returns when all is sent; with the findings of a ramp, when it is one.
    mutating func send() async throws -> RampReport? {
        guard self.command.ramp.ramp else {
            try await self.send(self.command.stretch)
            return nil
        }
        return try await self.climb()
    }

    private mutating func send(_ stretch: SendSchedule.Stretch) async throws {
        guard self.schedule.append(stretch) else {
            throw CrewError(description: "there are more messages than a run can have (\(SendSchedule.messagesMax))")
        }
        self.live.schedule = self.schedule
        try await self.crew.add(stretch)
        while !self.isCutShort {
            let isShown = NIODeadline.now() >= self.nextShown
            let state = try await self.crew.state(takesRecent: isShown)
            if isShown {
                self.live.show(state)
                self.nextShown = self.nextShown + .seconds(1)
            }
            self.tell(state)
            if state.hasSentAll, self.elapsed >= stretch.end { return }
            // The loops send and receive by themselves; this is to the next look at them.
            try await Task.sleep(for: .nanoseconds(Self.look.nanoseconds))
        }
    }

    /// What the audit saw is told at once.
    private mutating func tell(_ state: CrewState) {
        guard state.violations > self.violationsShown else { return }
        if self.violationsShown == 0 {
            for violation in state.firstViolations { self.progress.note("VIOLATION: \(violation.line)") }
        }
        self.violationsShown = state.violations
        if self.command.failFast {
            self.isCutShort = true
            self.progress.note("ended by --fail-fast")
        }
    }

    // MARK: - Ramp

    private mutating func climb() async throws -> RampReport {
        let settings = self.command.ramp.settings(firstRate: self.command.messagesPerSecond)
        var search = KneeSearch(settings)
        var report = RampReport(limit: self.command.ramp.limit, search: settings)
        while let rate = search.nextRate, !self.isCutShort {
            let number = report.steps.count
            let title = "step \(number + 1), \(RampReport.rate(rate)) messages/s"
            self.live.title = "\(self.command.scenario.rawValue), ramp, \(title)"
            let begin = max(self.elapsed, 0) + Self.lead.nanoseconds
            let stretch = self.command.stretch(from: max(begin, self.schedule.end), rate: rate)
            try await self.send(stretch)
            let isDrained = try await self.drain()
            let outcome = try await self.crew.stretch(number)
            let step = RampStep(stretch, outcome, limit: report.limit, isDrained: isDrained)
            report.steps.append(step)
            search.note(held: step.held)
            // What is left of this step would be measured with the next one.
            if !isDrained { search.stop() }
            self.progress.note(
                "\(title): \(RampReport.rate(step.achieved)) acknowledged, p99 "
                    + "\(FigureText.milliseconds(step.acknowledgementLatency.p99)): "
                    + (step.held ? "held" : step.findings.joined(separator: ", "))
            )
        }
        report.knee = search.held
        report.ceiling = search.failed
        return report
    }

    // MARK: - Drain

    /// Waits for the answers and for sessions that are away, then until every device has what was acknowledged. Returns
    /// whether that is so; otherwise `--drain` is over.
    mutating func drain() async throws -> Bool {
        let deadline = NIODeadline.now() + .nanoseconds(self.command.drain.nanoseconds)
        var lastProgress = NIODeadline.now()
        var lastIncomplete = Int.max
        try await self.crew.settle()
        while !self.isCutShort {
            let state = try await self.crew.state(takesRecent: false)
            self.tell(state)
            let incomplete = try await self.crew.incomplete(asks: false)
            let rest = state.unanswered + incomplete + state.away
            if rest == 0 { return true }
            guard .now() < deadline else { return false }
            if rest != lastIncomplete {
                lastIncomplete = rest
                lastProgress = .now()
            } else if .now() - lastProgress >= Self.patience {
                lastProgress = .now()
                _ = try await self.crew.incomplete(asks: true)
            }
            self.progress.show(
                "drain: \(state.unanswered) messages unanswered, \(incomplete) conversations of devices incomplete"
                    + (state.away > 0 ? ", \(state.away) sessions away" : "")
            )
            // The loops send and receive by themselves; this is to the next look at them.
            try await Task.sleep(for: .nanoseconds(Self.look.nanoseconds))
        }
        return false
    }
}
