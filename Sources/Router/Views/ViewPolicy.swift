// SPDX-License-Identifier: Apache-2.0

import Placement

/// What a router knows of another one. Two witnesses, because each alone lies at times: a broken link hides a living
/// router, an emptied Redis hides all of them.
package struct RouterWitness: Sendable, Equatable {
    package enum Lease: Sendable, Equatable {
        /// There is one, renewed so long before it was read.
        case renewed(ago: Duration)
        case absent
        /// Redis did not answer.
        case unknown
    }

    package var name: String
    /// How long there has been no mesh link; nil while there is one.
    package var unlinkedFor: Duration?
    package var lease: Lease

    package init(name: String, unlinkedFor: Duration?, lease: Lease) {
        self.name = name
        self.unlinkedFor = unlinkedFor
        self.lease = lease
    }
}

/// When to propose another view. Pure; the storage's compare-and-swap decides who wins (design: who decides).
package struct ViewPolicy: Sendable, Equatable {
    package enum Intent: Sendable, Equatable {
        /// Neither proposes itself nor judges others yet.
        case observing
        case member
        case leaving
    }

    /// A router without link and without lease is proposed out after this time.
    package var suspectAfter: Duration
    /// A lease that was not renewed for this long is none, for a router without link: a lease lives long, so that a Redis
    /// that hesitates takes nobody's, but who dies should not be waited for that long.
    package var staleLeaseAfter: Duration
    /// The same when Redis cannot be asked and the link is the only witness.
    package var suspectWithoutLeaseAfter: Duration

    package init(suspectAfter: Duration, staleLeaseAfter: Duration, suspectWithoutLeaseAfter: Duration) {
        self.suspectAfter = suspectAfter
        self.staleLeaseAfter = staleLeaseAfter
        self.suspectWithoutLeaseAfter = suspectWithoutLeaseAfter
    }

    /// The members of the view to propose, or nil when the present one is right.
    package func proposal(
        for view: View,
        own: RouterLife,
        intent: Intent,
        mayJoin: Bool,
        witnesses: [RouterWitness]
    ) -> [RouterLife]? {
        let present = view.member(named: own.name)
        // A later life of the same name is in the view: this process is the past, and judges nobody.
        if let present, present.incarnation > own.incarnation { return nil }
        let isMember = present == own
        let suspects = Set(witnesses.filter { self.isSuspect($0) }.map(\.name))
        var members = view.members.filter { $0.name != own.name && !suspects.contains($0.name) }
        switch intent {
        case .observing:
            return nil
        case .member:
            // One that is not in the view judges nobody either: it may be the one that is cut off.
            guard isMember || mayJoin else { return nil }
            members.append(own)
        case .leaving:
            guard isMember else { return nil }
            // The last router stays in: slots with a dead owner are taken over, slots with none are lost to sight.
            if members.isEmpty {
                members.append(own)
            }
        }
        members.sort { $0.name < $1.name }
        return members == view.members ? nil : members
    }

    private func isSuspect(_ witness: RouterWitness) -> Bool {
        guard let unlinkedFor = witness.unlinkedFor else { return false }
        switch witness.lease {
        case .renewed(let ago): return ago >= self.staleLeaseAfter && unlinkedFor >= self.suspectAfter
        case .absent: return unlinkedFor >= self.suspectAfter
        case .unknown: return unlinkedFor >= self.suspectWithoutLeaseAfter
        }
    }
}
