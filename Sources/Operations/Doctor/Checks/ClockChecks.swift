// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Storage

extension DoctorCheck {
    static let ofClocks: [DoctorCheck] = [
        DoctorCheck(
            "clocks",
            "All clocks agree to a second",
            meaning: "Ids of sessions carry the time, and so do tokens: of two sessions of a device the one that seems "
                + "newer stays.",
            Self.judgeClocks
        )
    ]

    private struct Clock {
        var owner: String
        var aheadMilliseconds: Int64
        var toleranceMilliseconds: Int64

        var isOff: Bool { abs(self.aheadMilliseconds) > self.toleranceMilliseconds }
    }

    private static func judgeClocks(_ facts: DoctorFacts, _ judgement: inout DoctorJudgement) {
        var clocks = facts.surveyed(&judgement).filter { !$0.found.sharesServerProcess }.map { shard, found in
            Clock(
                owner: "Postgres of \(shard.name)",
                aheadMilliseconds: found.clockAheadMilliseconds,
                toleranceMilliseconds: 1000
            )
        }
        if case .value(let server) = facts.redis {
            clocks.append(
                Clock(owner: "Redis", aheadMilliseconds: server.clockAheadMilliseconds, toleranceMilliseconds: 1000)
            )
        } else {
            judgement.cannotTell("Redis cannot be reached")
        }
        clocks += facts.nodes.compactMap { node in
            node.clockAheadMilliseconds.map {
                // A node tells its time in whole seconds.
                Clock(owner: node.name, aheadMilliseconds: $0, toleranceMilliseconds: 2500)
            }
        }
        let off = clocks.filter(\.isOff)
        let remedy = "have a time service set it, such as chrony or systemd-timesyncd; see `timedatectl`"
        let ahead = off.map(\.aheadMilliseconds)
        if off.count > 1, off.count == clocks.count, let least = ahead.min(), let most = ahead.max(),
            most - least < 2000
        {
            return judgement.fails(
                "this machine",
                "all others agree that its clock is \(Self.text(-least))",
                mend: remedy
            )
        }
        for clock in off {
            judgement.fails(clock.owner, "its clock is \(Self.text(clock.aheadMilliseconds)) of ours", mend: remedy)
        }
    }

    private static func text(_ aheadMilliseconds: Int64) -> String {
        let seconds = Double(abs(aheadMilliseconds)) / 1000
        let rounded = (seconds * 10).rounded() / 10
        return aheadMilliseconds > 0 ? "\(rounded) s ahead" : "\(rounded) s behind"
    }
}
