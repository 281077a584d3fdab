// SPDX-License-Identifier: Apache-2.0

/// Which edges send how many sessions where, so that all have about as many. Pure.
///
/// An edge with more than the average and the threshold goes down to the average, never below, and what it sends goes to
/// edges below the average, to each as much as it lacks. So a second plan made when the first is carried out moves nothing
/// back: it cannot swing.
package struct RebalancePlan: Sendable, Equatable {
    package struct Edge: Sendable, Equatable {
        package var name: String
        /// `HOST:PORT` for clients.
        package var address: String
        package var sessions: Int

        package init(name: String, address: String, sessions: Int) {
            self.name = name
            self.address = address
            self.sessions = sessions
        }
    }

    package struct Move: Sendable, Equatable {
        package var edge: String
        package var count: Int
        /// The addresses to send to, each as often as its share of a round has it; at most ``RebalancePlan/targetsMax``.
        package var targets: [String]
    }

    /// Addresses in one order.
    package static let targetsMax = 64

    package let average: Double
    /// In the order of the edges' names; empty when all are within the threshold.
    package let moves: [Move]

    /// - Parameter threshold: above the average by so much, 0.1 for ten per cent, an edge counts as uneven.
    package init(_ edges: [Edge], threshold: Double) {
        let total = edges.reduce(0) { $0 + $1.sessions }
        let average = edges.isEmpty ? 0 : Double(total) / Double(edges.count)
        self.average = average
        let most = Int(average.rounded(.up))
        let below = edges.filter { $0.sessions < most }.sorted { $0.name < $1.name }
        let targets = Self.targets(below, most: most)
        self.moves =
            edges.sorted { $0.name < $1.name }
            .filter { Double($0.sessions) > average * (1 + threshold) && $0.sessions > most }
            .compactMap { edge in
                targets.isEmpty ? nil : Move(edge: edge.name, count: edge.sessions - most, targets: targets)
            }
    }

    /// Each address by what its edge lacks, spread over the list so that neighbours in it differ.
    private static func targets(_ edges: [Edge], most: Int) -> [String] {
        let lacking = edges.map { most - $0.sessions }
        let sum = lacking.reduce(0, +)
        guard sum > 0 else { return [] }
        let length = min(Self.targetsMax, max(edges.count, sum))
        var given = edges.map { _ in 0 }
        return (1...length).map { place in
            // The one that is furthest behind its share at this place.
            let due = lacking.indices.max { one, other in
                let left = Double(lacking[one] * place) / Double(sum) - Double(given[one])
                let right = Double(lacking[other] * place) / Double(sum) - Double(given[other])
                return (left, other) < (right, one)
            }
            let index = due ?? 0
            given[index] += 1
            return edges[index].address
        }
    }
}
