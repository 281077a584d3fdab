// SPDX-License-Identifier: Apache-2.0

/// What a storm has to be like to count as held.
package struct StormRule: Sendable, Codable, Equatable {
    /// How long a session may take to be back.
    package var limitSeconds: Double
    /// Resident memory of each watched node from the storm on.
    package var memoryMebibytesMax: Int

    package init(limitSeconds: Double, memoryMebibytesMax: Int) {
        self.limitSeconds = limitSeconds
        self.memoryMebibytesMax = memoryMebibytesMax
    }

    /// What a node may take when nothing else is said: 64 MiB for itself and 16 KiB for each session of the run, as if
    /// all of them came to this node. An edge at rest takes a quarter of that.
    package static func memoryMebibytesMax(sessions: Int) -> Int {
        64 + (sessions * 16 + 1023) / 1024
    }

    /// What was not so, each in a sentence; none when the storm was held.
    package func findings(_ returns: ReturnFigures, _ memory: [NodeMemory]) -> [String] {
        var findings: [String] = []
        if returns.lost == 0 { findings.append("no session lost its connection: there was no storm") }
        if returns.away > 0 {
            findings.append("\(returns.away) of \(returns.lost) sessions that were lost did not come back")
        }
        let slowest = returns.timeBack.max / 1000
        if slowest > self.limitSeconds {
            let limit = SummaryTable.number(self.limitSeconds, digits: 1)
            findings.append(
                "a session was back after \(SummaryTable.number(slowest, digits: 1)) s, --storm-limit is \(limit) s"
            )
        }
        if !returns.errors.isEmpty {
            let count = returns.errors.values.reduce(0, +)
            findings.append("\(count) errors other than rate_limited were seen")
        }
        return findings + self.findings(memory)
    }

    private func findings(_ memory: [NodeMemory]) -> [String] {
        let mebibytesMax = self.memoryMebibytesMax
        return memory.compactMap { node in
            guard let peak = node.peak else { return "\(node.node) did not tell its memory" }
            guard peak > mebibytesMax << 20 else { return nil }
            return "\(node.node) took \((peak + (1 << 20) - 1) >> 20) MiB, --memory-limit is \(mebibytesMax) MiB"
        }
    }

    private enum CodingKeys: String, CodingKey {
        case limitSeconds = "limit_seconds"
        case memoryMebibytesMax = "memory_limit_mib"
    }
}
