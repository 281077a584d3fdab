// SPDX-License-Identifier: Apache-2.0

/// What is compared.
package enum StorageWay: String, Sendable, CaseIterable {
    /// A loop over libpq in C.
    case bare
    /// The router's storage without queue and writer.
    case session
    /// The router's writers with their queues.
    case router
}

/// One measurement of each way, one after the other. In rows of messages per second.
package struct StorageRound: Sendable, Equatable {
    package var bare: Double
    package var session: Double
    package var router: Double
    /// Messages in a transaction of the router, on average.
    package var routerBatch: Double

    package init(bare: Double = 0, session: Double = 0, router: Double = 0, routerBatch: Double = 0) {
        self.bare = bare
        self.session = session
        self.router = router
        self.routerBatch = routerBatch
    }

    subscript(way: StorageWay) -> Double {
        switch way {
        case .bare: self.bare
        case .session: self.session
        case .router: self.router
        }
    }
}

/// What it came to: medians of the rounds.
package struct StorageResult: Codable, Sendable, Equatable {
    /// Rows of messages in a second.
    package var bareRows: Double
    package var sessionRows: Double
    package var routerRows: Double
    package var routerBatch: Double
    /// By the bare loop of the same round, so that a machine that is slower for a while is so for both.
    package var sessionByBare: Double
    package var routerByBare: Double
    /// See ``Statistics/spread``; of the router's part.
    package var spread: Double

    /// Nil when there is no round, or one in which nothing was stored.
    package init?(_ rounds: [StorageRound]) {
        guard rounds.allSatisfy({ $0.bare > 0 }), let bare = Statistics(rounds.map(\.bare)),
            let session = Statistics(rounds.map(\.session)), let router = Statistics(rounds.map(\.router)),
            let batch = Statistics(rounds.map(\.routerBatch)),
            let sessionPart = Statistics(rounds.map { $0.session / $0.bare }),
            let routerPart = Statistics(rounds.map { $0.router / $0.bare })
        else { return nil }
        self.bareRows = bare.median
        self.sessionRows = session.median
        self.routerRows = router.median
        self.routerBatch = batch.median
        self.sessionByBare = sessionPart.median
        self.routerByBare = routerPart.median
        self.spread = routerPart.spread
    }

    private enum CodingKeys: String, CodingKey {
        case bareRows = "bare_rows_per_second"
        case sessionRows = "session_rows_per_second"
        case routerRows = "router_rows_per_second"
        case routerBatch = "router_batch_messages"
        case sessionByBare = "session_by_bare"
        case routerByBare = "router_by_bare"
        case spread = "router_by_bare_spread"
    }
}
