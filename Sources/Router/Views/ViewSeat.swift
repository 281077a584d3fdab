// SPDX-License-Identifier: Apache-2.0

import Placement

/// A router's seat in the view of one shard: what to propose, and when, with the memory of having been excluded. Pure.
///
/// A router that was excluded while it lives proposes itself again after a wait that doubles with each exclusion, so that
/// a bad link does not make views alternate. The wait starts anew after the router has been a member for as long as the
/// longest wait.
package struct ViewSeat: Sendable {
    private let policy: ViewPolicy
    private let own: RouterLife
    private let rejoinWaitMin: Duration
    private let rejoinWaitMax: Duration
    private var memberSince: ContinuousClock.Instant?
    private var rejoinWait: Duration
    private var mayJoinAt: ContinuousClock.Instant?

    package init(policy: ViewPolicy, own: RouterLife, rejoinWaitMin: Duration, rejoinWaitMax: Duration) {
        self.policy = policy
        self.own = own
        self.rejoinWaitMin = rejoinWaitMin
        self.rejoinWaitMax = rejoinWaitMax
        self.rejoinWait = rejoinWaitMin
    }

    package struct Decision: Sendable {
        /// The members to propose in place of the view; nil when it is right as it is.
        package var proposal: [RouterLife]?
        /// It was a member until this view, and did not want to leave.
        package var wasExcluded = false
    }

    /// The view was read.
    ///
    /// - Parameter random: 0…1, for the wait after an exclusion.
    package mutating func viewRead(
        _ view: View,
        intent: ViewPolicy.Intent,
        witnesses: [RouterWitness],
        now: ContinuousClock.Instant,
        random: Double
    ) -> Decision {
        var decision = Decision()
        let isMember = view.member(named: self.own.name) == self.own
        if isMember {
            let since = self.memberSince ?? now
            self.memberSince = since
            if since.duration(to: now) >= self.rejoinWaitMax { self.rejoinWait = self.rejoinWaitMin }
        } else if self.memberSince != nil {
            self.memberSince = nil
            if intent == .member {
                decision.wasExcluded = true
                self.mayJoinAt = now + self.rejoinWait * (0.5 + random / 2)
                self.rejoinWait = min(self.rejoinWait * 2, self.rejoinWaitMax)
            }
        }
        decision.proposal = self.policy.proposal(
            for: view,
            own: self.own,
            intent: intent,
            mayJoin: self.mayJoinAt.map { now >= $0 } ?? true,
            witnesses: witnesses
        )
        return decision
    }
}
